//! Outlines of parts, as signed distances.

use crate::synthetic::plane::{V2, rounded_box, segment, star, v2};

/// An outline around the origin, in units of the image's side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Shape {
    /// Radius.
    Circle(f32),
    /// Outer radius and width of the ring.
    Ring(f32, f32),
    /// Half sides and corner radius.
    Box(V2, f32),
    /// Ends of a line and its half width.
    Line(V2, V2, f32),
    /// Number of points, outer and inner radius.
    Star(f32, f32, f32),
    /// Number of corners and radius to the middle of a side.
    Polygon(f32, f32),
    /// Half the length and the radius of a capsule along x.
    Capsule(f32, f32),
}

impl Shape {
    /// Distance from the outline, negative inside.
    pub(super) fn distance(self, p: V2) -> f32 {
        match self {
            Self::Circle(r) => p.length() - r,
            Self::Ring(r, width) => (p.length() - r + 0.5 * width).abs() - 0.5 * width,
            Self::Box(half, corner) => rounded_box(p, half, corner),
            Self::Line(a, b, half) => segment(p, a, b) - half,
            Self::Star(n, outer, inner) => star(p, n, outer, inner),
            Self::Polygon(n, r) => {
                let sector = std::f32::consts::TAU / n;
                let turn = (p.angle() + 0.5 * sector).rem_euclid(sector) - 0.5 * sector;
                p.length() * turn.cos() - r
            }
            Self::Capsule(half, r) => segment(p, v2(-half, 0.0), v2(half, 0.0)) - r,
        }
    }

    /// Distance from the origin within which all of it lies.
    pub(super) fn reach(self) -> f32 {
        match self {
            Self::Circle(r) | Self::Ring(r, _) => r,
            Self::Box(half, _) => half.length(),
            Self::Line(a, b, half) => a.length().max(b.length()) + half,
            Self::Star(_, outer, inner) => outer.max(inner),
            Self::Polygon(n, r) => r / (std::f32::consts::PI / n).cos(),
            Self::Capsule(half, r) => half + r,
        }
    }

    /// Direction away from the nearest part of the outline.
    pub(super) fn outward(self, p: V2) -> V2 {
        const STEP: f32 = 1e-3;
        let along = |d: V2| self.distance(p + d) - self.distance(p - d);
        v2(along(v2(STEP, 0.0)), along(v2(0.0, STEP))).unit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_lie_within_their_reach_and_hold_their_inside() {
        let shapes = [
            (Shape::Circle(0.3), v2(0.0, 0.0)),
            (Shape::Ring(0.3, 0.1), v2(0.25, 0.0)),
            (Shape::Box(v2(0.2, 0.1), 0.02), v2(0.1, 0.05)),
            (Shape::Line(v2(-0.2, 0.0), v2(0.1, 0.2), 0.01), v2(-0.2, 0.005)),
            (Shape::Star(6.0, 0.3, 0.2), v2(0.0, 0.0)),
            (Shape::Polygon(6.0, 0.2), v2(0.0, 0.1)),
            (Shape::Capsule(0.2, 0.1), v2(0.25, 0.0)),
        ];
        for (shape, inside) in shapes {
            assert!(shape.distance(inside) < 0.0, "{shape:?}");
            for i in 0..64 {
                let beyond = V2::polar(i as f32 * 0.1) * (shape.reach() + 1e-3);
                assert!(shape.distance(beyond) > 0.0, "{shape:?} at {beyond:?}");
            }
        }
        let out = Shape::Circle(0.3).outward(v2(0.1, 0.0));
        assert!((out.x - 1.0).abs() < 1e-3 && out.y.abs() < 1e-3, "{out:?}");
    }
}
