"""The Slicer side of LVMTransfer: MRML adapter, pictures, and what `slicer-core` lacks outside the desktop."""
