"""Walls whose thickness is known: Laplace's equation between two ellipsoids of revolution, to rounding error.

The potential is a sum of inner harmonics rⁿPₙ and of the fields of charges Pₙ(t) on a segment inside the inner
surface (Havelock's form of the outer spheroidal harmonics, 1952); its coefficients are fitted to u = 1 on the outer
and u = 0 on the inner surface. Flow lines are integrated with the potential as their parameter, so that all end on the
inner surface.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.integrate import solve_ivp
from scipy.interpolate import CubicSpline

ORDER = 30
CHARGES = 80


@dataclass(frozen=True)
class Spheroid:
    """An ellipsoid of revolution about z: radius at its equator, half-length, height of its centre; mm."""

    radius: float
    half_length: float
    height: float = 0.0

    def points(self, angle: np.ndarray) -> np.ndarray:
        """Return (rho, z) (N, 2), mm, at parameter angles from the +z pole."""
        return np.stack([self.radius * np.sin(angle), self.height + self.half_length * np.cos(angle)], -1)

    def angle(self, points: np.ndarray) -> np.ndarray:
        """Return the parameter angle of points (N, 3) near the surface, mm."""
        rho = np.hypot(points[:, 0], points[:, 1])
        return np.arctan2(rho / self.radius, (points[:, 2] - self.height) / self.half_length)

    def inside(self, x, y, z) -> np.ndarray:
        """Return whether points lie inside."""
        rho = np.hypot(x, y) / self.radius
        return rho**2 + ((z - self.height) / self.half_length) ** 2 < 1

    def distance(self, x, y, z) -> np.ndarray:
        """Return the signed distance, mm, negative inside: closest point by Newton in the parameter angle."""
        rho, along = np.hypot(x, y), z - self.height
        a, c = self.radius, self.half_length
        t = np.arctan2(rho / a, along / c)
        for _ in range(30):
            sin, cos = np.sin(t), np.cos(t)
            slope = (a * sin - rho) * a * cos - (c * cos - along) * c * sin
            bend = a * a * cos * cos + c * c * sin * sin - (a * sin - rho) * a * sin - (c * cos - along) * c * cos
            t = np.clip(t - slope / np.where(bend > 1e-3, bend, a * c), 0, np.pi)
        gap = np.hypot(rho - a * np.sin(t), along - c * np.cos(t))
        return np.where(self.inside(x, y, z), -gap, gap)


@dataclass(frozen=True)
class Wall:
    """The wall between an outer and an inner spheroid with the same axis."""

    outer: Spheroid
    inner: Spheroid

    @property
    def _segment(self):
        a, c = self.inner.radius, self.inner.half_length
        focus = np.sqrt(c * c - a * a) if c > a else 0.5 * a
        t, w = np.polynomial.legendre.leggauss(CHARGES)
        return self.inner.height + focus * t, w * np.polynomial.legendre.legvander(t, ORDER).T

    def _basis(self, p):
        """Values (N, M) and gradients (N, 2, M) of all harmonics at (rho, z) points (N, 2)."""
        size = max(self.outer.radius, self.outer.half_length)
        rho, z = p[:, 0] / size, (p[:, 1] - self.outer.height) / size
        value = [np.ones_like(rho), z]
        slope_r, slope_z = [np.zeros_like(rho), np.zeros_like(rho)], [np.zeros_like(rho), np.ones_like(rho)]
        square = rho * rho + z * z
        for n in range(1, ORDER):
            # rⁿPₙ by its three-term recurrence, and the recurrence differentiated.
            value.append(((2 * n + 1) * z * value[n] - n * square * value[n - 1]) / (n + 1))
            slope_r.append(
                ((2 * n + 1) * z * slope_r[n] - n * (square * slope_r[n - 1] + 2 * rho * value[n - 1])) / (n + 1)
            )
            slope_z.append(
                ((2 * n + 1) * (z * slope_z[n] + value[n]) - n * (square * slope_z[n - 1] + 2 * z * value[n - 1]))
                / (n + 1)
            )
        at, weights = self._segment
        dz = p[:, 1, None] - at
        inverse = 1 / np.sqrt(p[:, 0, None] ** 2 + dz**2)
        values = np.hstack([np.stack(value, -1), size * inverse @ weights.T])
        cube = size * inverse**3
        radial = np.hstack([np.stack(slope_r, -1) / size, -(cube * p[:, :1]) @ weights.T])
        axial = np.hstack([np.stack(slope_z, -1) / size, -(cube * dz) @ weights.T])
        return values, np.stack([radial, axial], 1)

    @cached_property
    def _fit(self):
        angle = (np.arange(400) + 0.5) * np.pi / 400
        outer, inner = self._basis(self.outer.points(angle))[0], self._basis(self.inner.points(angle))[0]
        matrix, goal = np.vstack([outer, inner]), np.repeat([1.0, 0.0], 400)
        scale = np.linalg.norm(matrix, axis=0)
        coefficients = np.linalg.lstsq(matrix / scale, goal, rcond=1e-15)[0] / scale
        between = (np.arange(997) + 0.5) * np.pi / 997
        check = [self._basis(s.points(between))[0] @ coefficients for s in (self.outer, self.inner)]
        return coefficients, float(max(np.abs(check[0] - 1).max(), np.abs(check[1]).max()))

    @property
    def residual(self) -> float:
        """Largest error of the boundary conditions, between the points of the fit, in units of the potential."""
        return self._fit[1]

    @cached_property
    def _table(self):
        angle = np.linspace(0, np.pi, 73)
        coefficients = self._fit[0]

        def flow(_, state):
            p = state.reshape(3, -1)[:2].T
            gradient = self._basis(p)[1] @ coefficients
            square = (gradient**2).sum(axis=1)
            return np.concatenate([-gradient[:, 0] / square, -gradient[:, 1] / square, 1 / np.sqrt(square)])

        start = self.outer.points(angle)
        state = np.concatenate([start[:, 0], start[:, 1], np.zeros(angle.size)])
        end = solve_ivp(flow, (0, 1), state, method="DOP853", rtol=1e-9, atol=1e-9).y[:, -1]
        return CubicSpline(angle, end.reshape(3, -1)[2])

    def thickness(self, points: np.ndarray) -> np.ndarray:
        """Return the true length of the flow line from each of the points (N, 3) on the outer surface, mm."""
        return self._table(self.outer.angle(np.asarray(points, float)))


SPHERES = Wall(Spheroid(30, 30), Spheroid(20, 20))
ECCENTRIC = Wall(Spheroid(30, 30), Spheroid(20, 20, 4))
VENTRICLE = Wall(Spheroid(30, 40), Spheroid(20, 30))
