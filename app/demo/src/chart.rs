//! A line chart as inline SVG: temperatures over time.

use crate::scenario::HOUR;
use crate::show;
use crate::summary::Series;
use std::fmt::Write;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 48.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 34.0;
/// Hours between two ticks of the time axis.
const TICK: i64 = 6;
/// Hundredths of °C between two lines.
const GRID: i64 = 200;

struct Scale {
    times: (i64, i64),
    values: (i64, i64),
}

impl Scale {
    fn x(&self, time: i64) -> f64 {
        let (first, last) = self.times;
        LEFT + (time - first) as f64 / (last - first).max(1) as f64 * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: i64) -> f64 {
        let (low, high) = self.values;
        TOP + (high - value) as f64 / (high - low).max(1) as f64 * (HEIGHT - TOP - BOTTOM)
    }

    fn path(&self, points: &[(i64, i64)]) -> String {
        let mut path = String::new();
        for (place, (time, value)) in points.iter().enumerate() {
            let command = if place == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{command}{:.1} {:.1}", self.x(*time), self.y(*value));
        }
        path
    }
}

/// What came, and what was forecast for the same hours. With `threshold`, a line at that value.
pub fn chart(series: &Series, threshold: Option<i64>) -> String {
    let points = || series.measured.iter().chain(&series.forecast);
    let values = || points().map(|(_, value)| *value).chain(threshold);
    let (Some(first), Some(last)) = (
        points().map(|(time, _)| *time).min(),
        points().map(|(time, _)| *time).max(),
    ) else {
        return String::new();
    };
    let low = values().min().unwrap_or(0).div_euclid(GRID) * GRID;
    let high = (values().max().unwrap_or(0).div_euclid(GRID) + 1) * GRID;
    let scale = Scale {
        times: (first, last),
        values: (low, high),
    };
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"forecast and measured temperature\">"
    );
    let end = WIDTH - RIGHT;
    for value in (low..=high).step_by(GRID as usize) {
        let y = scale.y(value);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{end}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            y + 4.0,
            value / 100
        );
    }
    let step = TICK * HOUR;
    let start = (first + step - 1).div_euclid(step) * step;
    for time in (start..=last).step_by(step as usize) {
        let (x, bottom) = (scale.x(time), HEIGHT - BOTTOM);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - 12.0,
            show::time(time)
        );
    }
    if let Some(threshold) = threshold {
        let y = scale.y(threshold);
        let _ = write!(
            svg,
            "<line class=\"threshold\" x1=\"{LEFT}\" x2=\"{end}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text class=\"threshold\" x=\"{end}\" y=\"{:.1}\" text-anchor=\"end\">policy pays below {} °C</text>",
            y - 5.0,
            show::degrees(threshold)
        );
    }
    let _ = write!(
        svg,
        "<path class=\"measured\" d=\"{}\"/><path class=\"forecast\" d=\"{}\"/>",
        scale.path(&series.measured),
        scale.path(&series.forecast)
    );
    for (time, value) in &series.forecast {
        let _ = write!(
            svg,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.6\"><title>forecast for {}: {} °C</title></circle>",
            scale.x(*time),
            scale.y(*value),
            show::time(*time),
            show::degrees(*value)
        );
    }
    svg + "</svg>"
}
