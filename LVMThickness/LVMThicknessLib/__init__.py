"""The Slicer side of LVMThickness: wall thickness as models, colours, legends and tables of the MRML scene."""
