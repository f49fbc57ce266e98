//! Plane geometry of everything that is drawn: points, rotations, signed distances (negative inside) and soft steps.

use std::ops::{Add, Mul, Sub};

/// A point or a direction.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct V2 {
    /// To the right.
    pub x: f32,
    /// Downwards.
    pub y: f32,
}

/// The point at `x`, `y`.
pub const fn v2(x: f32, y: f32) -> V2 {
    V2 { x, y }
}

impl V2 {
    /// Inner product.
    #[inline]
    pub fn dot(self, other: Self) -> f32 {
        self.x * other.x + self.y * other.y
    }

    /// Euclidean length.
    #[inline]
    pub fn length(self) -> f32 {
        self.dot(self).sqrt()
    }

    /// Angle from the x axis, in radians, growing towards y.
    #[inline]
    pub fn angle(self) -> f32 {
        self.y.atan2(self.x)
    }

    /// The direction of length 1 at `angle`.
    #[inline]
    pub fn polar(angle: f32) -> Self {
        v2(angle.cos(), angle.sin())
    }

    /// Turned by `angle` radians from x towards y.
    #[inline]
    pub fn rotated(self, angle: f32) -> Self {
        let (sin, cos) = angle.sin_cos();
        v2(cos * self.x - sin * self.y, sin * self.x + cos * self.y)
    }

    /// The same direction with length 1; zero stays zero.
    #[inline]
    pub fn unit(self) -> Self {
        let length = self.length();
        if length > 1e-6 { self * (1.0 / length) } else { Self::default() }
    }
}

impl Add for V2 {
    type Output = Self;
    #[inline]
    fn add(self, other: Self) -> Self {
        v2(self.x + other.x, self.y + other.y)
    }
}

impl Sub for V2 {
    type Output = Self;
    #[inline]
    fn sub(self, other: Self) -> Self {
        v2(self.x - other.x, self.y - other.y)
    }
}

impl Mul<f32> for V2 {
    type Output = Self;
    #[inline]
    fn mul(self, factor: f32) -> Self {
        v2(self.x * factor, self.y * factor)
    }
}

/// Distance to a rectangle of half sides `half` with corners rounded by `radius`.
#[inline]
pub fn rounded_box(p: V2, half: V2, radius: f32) -> f32 {
    let q = v2(p.x.abs() - half.x + radius, p.y.abs() - half.y + radius);
    v2(q.x.max(0.0), q.y.max(0.0)).length() + q.x.max(q.y).min(0.0) - radius
}

/// Distance to the line from `a` to `b`.
#[inline]
pub fn segment(p: V2, a: V2, b: V2) -> f32 {
    let (ap, ab) = (p - a, b - a);
    let along = (ap.dot(ab) / ab.dot(ab).max(1e-9)).clamp(0.0, 1.0);
    (ap - ab * along).length()
}

/// Distance to a star of `n` points with outer radius `outer` and inner radius `inner`.
pub fn star(p: V2, n: f32, outer: f32, inner: f32) -> f32 {
    let sector = std::f32::consts::PI / n;
    let turn = p.angle().rem_euclid(2.0 * sector);
    let q = V2::polar((turn - sector).abs()) * p.length();
    let (tip, notch) = (V2::polar(sector) * outer, v2(inner, 0.0));
    let side = (tip.x - notch.x) * (q.y - notch.y) - (tip.y - notch.y) * (q.x - notch.x);
    segment(q, notch, tip) * if side > 0.0 { -1.0 } else { 1.0 }
}

/// 0 below `a`, 1 above `b`, smooth between.
#[inline]
pub fn smooth(a: f32, b: f32, x: f32) -> f32 {
    let t = ((x - a) / (b - a)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Part of a pixel of side `px` that lies inside a shape at signed distance `d`.
#[inline]
pub fn coverage(d: f32, px: f32) -> f32 {
    (0.5 - d / px).clamp(0.0, 1.0)
}

/// `a` at 0, `b` at 1, straight between.
#[inline]
pub fn mix(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_negative_inside_and_grow_outside() {
        assert!((rounded_box(v2(3.0, 0.0), v2(1.0, 1.0), 0.2) - 2.0).abs() < 1e-6);
        assert!(rounded_box(v2(0.0, 0.0), v2(1.0, 1.0), 0.2) < -0.9);
        assert!((segment(v2(0.5, 2.0), v2(0.0, 0.0), v2(1.0, 0.0)) - 2.0).abs() < 1e-6);
        assert!(star(v2(0.0, 0.0), 5.0, 1.0, 0.4) < 0.0 && star(v2(2.0, 0.0), 5.0, 1.0, 0.4) > 0.9);
        assert_eq!((coverage(-1.0, 0.1), coverage(1.0, 0.1), coverage(0.0, 0.1)), (1.0, 0.0, 0.5));
    }
}
