"""Wall thickness between spheres, in a slab and in a tube: the truth is a difference of coordinates."""

from __future__ import annotations

import numpy as np
import pytest
from LVMLib.errors import ThicknessError
from LVMLib.thickness import measure_thickness, measure_thickness_from_sdf
from LVMLib.thickness.heat.laplace import solve
from LVMLib.thickness.heat.stencil import build_stencil
from thickness_helpers import CENTRE, centred_grid, rotation, spherical_shell


def test_thickness_of_concentric_spheres_is_the_radius_difference():
    labels, _, affine = spherical_shell()
    result = measure_thickness(labels, affine)
    error = result.thickness_mm - 8.0
    assert not result.invalid.any()
    assert abs(error.mean()) < 0.01
    assert np.abs(error).mean() < 0.05
    assert np.abs(error).max() < 0.4
    assert np.abs(np.linalg.norm(result.points - CENTRE, axis=1) - 20).mean() < 0.05


def test_thickness_from_exact_distances_is_of_second_order():
    errors = []
    for step in (2.0, 1.0):
        _, radius, affine = spherical_shell(spacing_mm=step)
        error = measure_thickness_from_sdf(radius - 20, radius - 12, affine).thickness_mm - 8.0
        errors.append(np.abs(error).mean())
        assert np.abs(error).max() < 0.1 * step
    assert errors[1] < 0.01
    assert np.log2(errors[0] / errors[1]) > 1.9


@pytest.mark.parametrize("height", [0.5, 5.5, 9.5])
def test_a_wall_that_leans_on_its_base_keeps_its_place_and_its_thickness_there(height):
    """A mirror image beyond the base would move the rim by 0.4 to 1.2 mm here, and make it 0.1 to 1.3 mm thicker."""
    x, y, z, affine = centred_grid(25.0)
    radius = np.sqrt((x - 0.3) ** 2 + (y + 0.2) ** 2 + z**2)
    labels = np.where(radius < 12, 1, np.where(radius < 20, 2, 0)).astype(np.uint8)
    labels[z > height] = 0
    result = measure_thickness(labels, affine)
    near = result.points[:, 2] > height - 3
    outer = np.linalg.norm(result.points[near] - (0.3, -0.2, 0), axis=1) - 20
    ends = np.array([line[-1] for line, chosen in zip(result.streamlines, near) if chosen])
    inner = np.linalg.norm(ends - (0.3, -0.2, 0), axis=1) - 12
    assert not result.invalid.any()
    assert np.abs(outer).mean() < 0.1
    assert np.abs(inner).mean() < 0.1
    assert abs(result.thickness_mm[near].mean() - 8) < 0.15


def test_every_vertex_of_the_endocardium_has_its_thickness_too():
    labels, _, affine = spherical_shell()
    labels[26:] = 0
    inner = measure_thickness(labels, affine).endocardium
    assert not (inner.reasons > 0).any()
    assert np.abs(np.linalg.norm(inner.points - CENTRE, axis=1) - 12).mean() < 0.06
    assert np.abs(inner.thickness_mm - 8).mean() < 0.06
    a, b, c = (inner.points[inner.triangles[:, n]] for n in range(3))
    assert (np.einsum("ij,ij->i", np.cross(b - a, c - a), (a + b + c) / 3 - CENTRE) > 0).all()


def test_the_potential_falls_from_one_to_zero_along_every_line_as_between_spheres():
    labels, _, affine = spherical_shell()
    lines = measure_thickness(labels, affine).streamlines
    for v in range(0, len(lines), 97):
        first, last = lines.offsets[v], lines.offsets[v + 1]
        potential = lines.potential[first:last]
        radius = np.linalg.norm(lines[v].astype(float) - CENTRE, axis=1)
        radius = 12 + 8 * (radius - radius[-1]) / (radius[0] - radius[-1])
        assert potential[0] == 1 and potential[-1] == pytest.approx(0, abs=1e-6)
        assert np.abs(potential - (1 - 12 / radius) / (1 - 12 / 20)).max() < 0.02


@pytest.mark.parametrize("normal", [(0, 0, 1), (0, -1, 0), (1, 0, 0), (0.3, -0.4, 0.8)])
def test_a_cut_sphere_keeps_its_thickness_up_to_the_cut(normal):
    labels, _, affine = spherical_shell()
    normal = np.array(normal, float) / np.linalg.norm(normal)
    k, j, i = np.indices(labels.shape)
    points = np.stack([i, j, k], -1) @ affine[:3, :3].T + affine[:3, 3]
    labels[(points - CENTRE) @ normal > 0] = 0
    result = measure_thickness(labels, affine)
    error = np.abs(result.thickness_mm - 8.0)
    height = (result.points - CENTRE) @ normal
    assert result.info["base"] == "found"
    assert not result.invalid.any()
    assert error.mean() < 0.06
    assert error[height > -3].mean() < 0.12
    assert -0.8 < height.max() < 0.8


def test_a_given_base_plane_cuts_a_closed_wall_in_two():
    labels, _, affine = spherical_shell()
    result = measure_thickness(labels, affine, base_plane=(CENTRE, (0.2, 0.1, 1.0)))
    height = (result.points - CENTRE) @ np.array([0.2, 0.1, 1.0]) / np.linalg.norm([0.2, 0.1, 1.0])
    assert result.info["base"] == "given"
    assert height.max() < 1e-3
    assert np.abs(result.thickness_mm - 8.0).mean() < 0.06


@pytest.mark.parametrize(
    ("spacing", "mean_error"), [((0.8, 0.8, 1.1), 0.05), ((1, 1, 3), 0.15), ((1.25, 1.25, 8), 0.5)]
)
def test_long_voxels_cost_little(spacing, mean_error):
    labels, _, affine = spherical_shell(inner=20, outer=30, spacing_mm=spacing)
    result = measure_thickness(labels, affine)
    assert not result.invalid.any()
    assert np.abs(result.thickness_mm - 10).mean() < mean_error


@pytest.mark.parametrize("width", [1, 2])
def test_a_wall_of_one_or_two_voxels_is_measured_without_bias(width):
    labels, _, affine = spherical_shell(outer=20 + width, inner=20)
    error = measure_thickness(labels, affine).thickness_mm - width
    assert abs(error.mean()) < 0.02
    assert np.abs(error).max() < 0.5


def test_thickness_does_not_depend_on_where_the_patient_lies_or_how_the_grid_is_stored():
    labels, _, affine = spherical_shell()
    labels[30:] = 0
    straight = measure_thickness(labels, affine)
    turned = np.eye(4)
    turned[:3, :3], turned[:3, 3] = rotation(3), (310.0, -120.0, 900.0)
    oblique = measure_thickness(labels, turned @ affine)
    mirrored = np.diag([-1.0, 1, 1, 1]) @ affine
    left_handed = measure_thickness(labels, mirrored)
    assert np.allclose(oblique.thickness_mm, straight.thickness_mm, atol=1e-4)
    assert np.allclose(left_handed.thickness_mm, straight.thickness_mm, atol=1e-4)
    assert np.allclose(oblique.points, straight.points @ turned[:3, :3].T + turned[:3, 3], atol=1e-4)
    for result in (straight, oblique, left_handed):
        a, b, c = (result.points[result.triangles[:, n]] for n in range(3))
        centre = result.points.mean(axis=0)
        assert (np.einsum("ij,ij->i", np.cross(b - a, c - a), a - centre) > 0).mean() > 0.95


def test_the_stored_order_of_the_axes_does_not_matter():
    labels, _, affine = spherical_shell()
    labels[:, :, 30:] = 0
    swapped = np.ascontiguousarray(labels.transpose(2, 1, 0))
    permuted = affine[:, [2, 1, 0, 3]]
    one, other = measure_thickness(labels, affine), measure_thickness(swapped, permuted)
    assert one.statistics.median_mm == pytest.approx(other.statistics.median_mm, abs=1e-3)
    assert one.points.max(axis=0) == pytest.approx(other.points.max(axis=0), abs=1e-3)


def test_any_number_of_threads_gives_the_same_bits():
    labels, _, affine = spherical_shell()
    one, again, many = (measure_thickness(labels, affine, threads=n) for n in (1, 1, 5))
    for other in (again, many):
        assert one.thickness_mm.tobytes() == other.thickness_mm.tobytes()
        assert one.streamlines.points.tobytes() == other.streamlines.points.tobytes()
        assert one.triangles.tobytes() == other.triangles.tobytes()


def test_the_solver_in_torch_gives_the_same_answer():
    labels, _, affine = spherical_shell(inner=8, outer=14)
    labels[22:] = 0
    compiled = measure_thickness(labels, affine)
    torch = measure_thickness(labels, affine, method="torch")
    assert torch.info["solver"] == "torch"
    assert np.abs(torch.thickness_mm - compiled.thickness_mm).max() < 1e-4


def test_an_unknown_method_is_refused():
    labels, _, affine = spherical_shell(inner=8, outer=14)
    with pytest.raises(ThicknessError, match="bicgstab, jacobi or torch"):
        measure_thickness(labels, affine, method="multigrid")


def test_the_jacobi_iteration_of_the_paper_agrees_with_the_krylov_solver():
    labels, _, affine = spherical_shell(inner=8, outer=14)
    labels[22:] = 0
    krylov = measure_thickness(labels, affine)
    jacobi = measure_thickness(labels, affine, method="jacobi")
    assert jacobi.info["iterations"] > 3 * krylov.info["iterations"]
    assert np.abs(jacobi.thickness_mm - krylov.thickness_mm).max() < 1e-3


def test_the_potential_in_a_slab_is_linear():
    _, _, z, _ = centred_grid(8)
    distance = np.ascontiguousarray(z, np.float32)
    top = np.full(z.shape[1:], z.shape[0] - 1, np.int32)
    stencil = build_stencil(distance - 5.3, distance + 4.6, np.ones(3), top)
    potential = solve(stencil, tolerance=1e-10).potential
    height = z[tuple(stencil.nodes.T)]
    assert np.allclose(potential, (height + 4.6) / 9.9, atol=1e-6)


def test_a_tube_with_round_ends_has_one_thickness():
    x, y, z, affine = centred_grid(34)
    radius = np.sqrt(x**2 + y**2 + np.maximum(np.abs(z) - 12, 0) ** 2)
    labels = np.where(radius < 10, 1, np.where(radius < 17, 2, 0)).astype(np.uint8)
    error = measure_thickness(labels, affine).thickness_mm - 7
    assert np.abs(error).mean() < 0.06
    assert np.abs(error).max() < 0.4


def test_flow_lines_run_from_one_surface_to_the_other_and_their_length_is_the_thickness():
    labels, _, affine = spherical_shell()
    result = measure_thickness(labels, affine)
    lines = result.streamlines
    assert len(lines) == len(result.points) == result.thickness_mm.size
    for v in range(0, len(lines), 97):
        line = lines[v].astype(float)
        assert np.allclose(line[0], result.points[v], atol=1e-4)
        assert abs(np.linalg.norm(line[-1] - CENTRE) - 12) < 0.4
        assert np.linalg.norm(np.diff(line, axis=0), axis=1).sum() == pytest.approx(result.thickness_mm[v], abs=1e-3)


def test_the_volume_holds_the_thickness_of_every_wall_voxel_and_nothing_else():
    labels, _, affine = spherical_shell()
    labels[32:] = 0
    volume = measure_thickness(labels, affine).thickness_volume
    assert volume.shape == labels.shape
    assert np.array_equal(np.isfinite(volume), labels == 2)
    assert np.abs(volume[labels == 2] - 8).mean() < 0.1


def test_statistics_pass_over_vertices_without_thickness():
    labels, _, affine = spherical_shell()
    result = measure_thickness(labels[:, :, 8:], affine)
    known = result.thickness_mm[~result.invalid]
    assert 0 < result.statistics.invalid == result.invalid.sum()
    assert result.statistics.vertices == len(result.points)
    assert result.statistics.median_mm == pytest.approx(np.median(known))
    assert result.statistics.p95_mm == pytest.approx(np.percentile(known, 95))
    assert result.statistics.max_mm == known.max()
