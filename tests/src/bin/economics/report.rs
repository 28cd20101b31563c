//! What people read of the results: a table for the terminal, one for the docs, and an HTML report.

use super::attack::Kind;
use super::parameters::{Parameters, Shock};
use super::sweep::{Expected, Honest, Results, Swept, DOCUMENTED_FACTOR};
use super::world::{Figures, FIRST, HALFWAY};
use anyhow::{Context, Result};
use comfy_table::{presets, CellAlignment, Table};
use std::fmt::Write;

/// Where the generated part of the docs begins and ends.
const BEGIN: &str = "<!-- cargo xtask economics -->";
const END: &str = "<!-- end of cargo xtask economics -->";

const STYLE: &str = "
:root{color-scheme:light}
body{font:15px/1.5 system-ui,sans-serif;color:#1d2733;background:#fff;max-width:900px;margin:2.5rem auto;padding:0 1.2rem}
h1{font-size:1.7rem;margin:0 0 .3rem}
h2{font-size:1.15rem;margin:2.4rem 0 .6rem}
h3{font-size:1rem;margin:1.2rem 0 .2rem}
p{margin:.3rem 0 .8rem;color:#4a5765}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.28rem .7rem .28rem 0;border-bottom:1px solid #e6eaee;font-weight:400}
th{color:#6b7885;font-size:.85rem}
td.n,th.n{text-align:right}
svg{width:100%;height:auto;display:block}
svg text{font-size:12px;fill:#6b7885}
.grid{stroke:#e6eaee}
.zero{stroke:#8894a1}
.line{fill:none;stroke:#0f6fc6;stroke-width:1.8}
.beside{fill:none;stroke:#8894a1;stroke-width:1.8}
.mark{stroke:#c0392b;stroke-dasharray:5 4}
.here{stroke:#8894a1;stroke-dasharray:2 3}
text.mark{fill:#c0392b;stroke:none}
";

/// The columns of the table: the attack, what it is expected to cost and bring, and where it breaks even.
fn row(swept: &Swept, parameters: &Parameters, results: &Results) -> [String; 8] {
    let now = swept.documented();
    let margin = -now.profit();
    [
        swept.name.to_owned(),
        usd(now.gain),
        usd(now.cost),
        format!("{} ({})", usd(margin), tokens(margin, parameters)),
        percent(swept.found_out),
        now.needed.map_or("never".to_owned(), percent),
        break_even(swept.break_even, results),
        format!("`economics::tests::{}`", swept.test),
    ]
}

const TITLES: [&str; 8] = [
    "attack",
    "brings, USD",
    "costs, USD",
    "margin, USD (tokens)",
    "found out",
    "at least needed",
    "breaks even at reward ÷ bond",
    "test",
];

/// What attacks lose, and honest people make, under each price shock, and the stake price at which attacks break even.
fn shocks(results: &Results) -> (Vec<String>, Vec<Vec<String>>) {
    let mut titles = vec![
        "what an attack loses, USD".to_owned(),
        "as documented".to_owned(),
    ];
    titles.extend(
        results
            .shocks
            .iter()
            .map(|shocked| shocked.shock.name.to_owned()),
    );
    titles.push("breaks even at stake token ×".to_owned());
    let mut rows = Vec::new();
    for swept in &results.attacks {
        let mut row = vec![swept.name.to_owned(), usd(-swept.documented().profit())];
        row.extend(swept.shocked.iter().map(|expected| usd(-expected.profit())));
        row.push(swept.stake_break_even.map_or("never".to_owned(), usd));
        rows.push(row);
    }
    type Part = fn(&Honest) -> f64;
    let parts: [(&str, Part); 2] = [
        ("what an honest owner makes", |honest| honest.owner),
        ("what an honest operator makes", |honest| honest.operator),
    ];
    for (name, of) in parts {
        let mut row = vec![name.to_owned(), usd(of(&results.honest[DOCUMENTED_FACTOR]))];
        row.extend(
            results
                .shocks
                .iter()
                .map(|shocked| usd(of(&shocked.honest))),
        );
        row.push(String::new());
        rows.push(row);
    }
    (titles, rows)
}

/// All results as text.
pub fn text(results: &Results, parameters: &Parameters) -> String {
    let attacks = results.attacks.iter();
    let rows = attacks.map(|swept| row(swept, parameters, results)[..7].to_vec());
    let attacks = aligned(TITLES[..7].iter().copied(), rows);
    let (titles, rows) = shocks(results);
    let shocks = aligned(titles.iter().map(String::as_str), rows);
    format!(
        "{attacks}\n\n{shocks}\n\n{}\nseed {}",
        sentences(results, parameters).join("\n"),
        results.seed
    )
}

fn aligned<'a>(
    titles: impl Iterator<Item = &'a str>,
    rows: impl IntoIterator<Item = Vec<String>>,
) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_header(titles);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// What else there is to say.
fn sentences(results: &Results, parameters: &Parameters) -> Vec<String> {
    let here = results.honest[DOCUMENTED_FACTOR];
    let epochs = results.epochs;
    let mut lines = vec![
        format!(
            "In {epochs} epochs the honest owner who makes least, with three devices, makes {} USD ({} tokens), and the \
             operator {} USD ({} tokens).",
            usd(here.owner),
            tokens(here.owner, parameters),
            usd(here.operator),
            tokens(here.operator, parameters),
        ),
        format!(
            "At the documented parameters a device earns {:.2} % of its bond in an epoch (reward ÷ bond). Owners profit \
             from {} of that on, operators from {}.",
            results.reward_to_bond * 100.0,
            times(results.honest_from[0]),
            times(results.honest_from[1]),
        ),
    ];
    let lie = results
        .attacks
        .iter()
        .find(|swept| swept.kind == Kind::FalseOutput);
    if let Some(lie) = lie {
        lines.push(format!(
            "A false output brings its operators nothing by itself: it pays once somebody gains {} USD by the value and shares \
             it with them. What depends on a feed must stay below what a lie costs those who can make it.",
            usd(lie.outside_gain())
        ));
    }
    let farms = results.attacks.iter().filter_map(|swept| {
        let farm = swept.farm?;
        let after = farm.pays_after;
        let after = after.map_or("never".to_owned(), |epochs| {
            format!("after {epochs} epochs")
        });
        Some(format!(
            "“{}” {} USD, {after}",
            swept.name,
            usd(farm.excluded)
        ))
    });
    lines.push(format!(
        "How soon a farm is found out is assumed; that it then is excluded is played, in the {}th of these epochs: its makers \
         are revoked, and no operator commits to what its devices say. What it has made by then, and when it would have \
         earned what it cost if nobody ever excluded it: {}.",
        HALFWAY - FIRST + 1,
        farms.collect::<Vec<_>>().join("; "),
    ));
    for (place, shocked) in results.shocks.iter().enumerate() {
        lines.push(shock(results, place, shocked.shock, shocked.honest));
    }
    lines
}

/// What is to be said of a price shock.
fn shock(results: &Results, place: usize, shock: Shock, honest: Honest) -> String {
    let made = |usd: f64| match usd < 0.0 {
        true => format!("loses {:.2} USD", -usd),
        false => format!("makes {usd:.2} USD"),
    };
    let profit = |swept: &&Swept| swept.shocked.get(place).map_or(0.0, Expected::profit);
    let attacks = results.attacks.iter();
    let paying: Vec<String> = attacks
        .clone()
        .filter(|swept| profit(swept) > 0.0)
        .map(|swept| format!("**{}** ({} USD)", swept.name, usd(profit(&swept))))
        .collect();
    let closest = attacks.max_by(|a, b| profit(a).total_cmp(&profit(b)));
    let attacks = match (paying.is_empty(), closest) {
        (true, Some(closest)) => format!(
            "no attack pays; closest to it comes “{}”, which loses {} USD",
            closest.name,
            usd(-profit(&closest))
        ),
        _ => format!("these attacks pay: {}", paying.join("; ")),
    };
    format!(
        "Price shock “{}”: the owner {}, the operator {}; {attacks}.",
        shock.name,
        made(honest.owner),
        made(honest.operator),
    )
}

/// The docs with their generated part as the results are.
///
/// # Errors
/// No place for it.
pub fn into_docs(docs: &str, results: &Results, parameters: &Parameters) -> Result<String> {
    let (before, rest) = docs
        .split_once(BEGIN)
        .context("the docs have no place for results")?;
    let (_, after) = rest
        .split_once(END)
        .context("the place for results has no end")?;
    let mut text = String::from("\n\n| parameter | value |\n|---|---|\n");
    for (name, value) in parameters.rows() {
        let _ = writeln!(text, "| {name} | {value} |");
    }
    let _ = write!(
        text,
        "\n| {} |\n|---|---|---|---|---|---|---|---|\n",
        TITLES.join(" | ")
    );
    for swept in &results.attacks {
        let _ = writeln!(text, "| {} |", row(swept, parameters, results).join(" | "));
    }
    let (titles, rows) = shocks(results);
    let _ = write!(
        text,
        "\nWith a price shock halfway:\n\n| {} |\n|{}\n",
        titles.join(" | "),
        "---|".repeat(titles.len())
    );
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    for line in sentences(results, parameters) {
        let _ = write!(text, "\n- {line}");
    }
    Ok(format!("{before}{BEGIN}{text}\n\n{END}{after}"))
}

/// The HTML report: one file with everything in it.
pub fn html(results: &Results, parameters: &Parameters) -> String {
    let mut body = String::new();
    for line in sentences(results, parameters) {
        let _ = write!(body, "<p>{line}</p>");
    }
    body += "<h2>Attacks</h2>";
    let mut rows = Vec::new();
    for swept in &results.attacks {
        rows.push(row(swept, parameters, results)[..7].to_vec());
    }
    body += &table(&TITLES[..7], &rows);
    let (titles, rows) = shocks(results);
    let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
    body += "<h2>Price shocks halfway</h2><p>USD. An attack that loses less than nothing pays.</p>";
    body += &table(&titles, &rows);
    body += "<h2>Profit by reward ÷ bond</h2><p>USD. The grey line is where the documented parameters are, the red one \
             where the attack breaks even.</p>";
    for swept in &results.attacks {
        let points: Vec<(f64, f64)> = results
            .factors
            .iter()
            .zip(&swept.expected)
            .map(|(factor, expected)| (factor.log10(), expected.profit()))
            .collect();
        let marks = [
            (0.0, "here"),
            (swept.break_even.unwrap_or(0.0).log10(), "mark"),
        ];
        let _ = write!(
            body,
            "<h3>{}</h3>{}",
            swept.name,
            chart(&[("line", &points)], &marks, &|x| times(Some(
                10f64.powf(x)
            )))
        );
    }
    body +=
        "<h2>What attackers are paid, by epoch</h2><p>Rewards in USD, as long as nobody looks.</p>";
    for swept in &results.attacks {
        if swept.earned.is_empty() {
            continue;
        }
        let epochs = results.figures.iter().map(|figures| figures.epoch as f64);
        let points: Vec<_> = epochs.zip(swept.earned.iter().copied()).collect();
        let _ = write!(
            body,
            "<h3>{}</h3>{}",
            swept.name,
            chart(&[("line", &points)], &[], &|x| format!("{x:.0}"))
        );
    }
    body += "<h2>Emission by epoch, tokens</h2><p>Grey where the same people do nothing wrong.</p>";
    body += &each(results, |figures| figures.emitted);
    body += "<h2>Coverage by epoch</h2><p>Share of cells in which three owners measure with devices of three makers, %. Grey \
             where the same people do nothing wrong.</p>";
    body += &each(results, |figures| figures.covered * 100.0);
    body += "<h2>Parameters</h2>";
    let rows = parameters.rows();
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(name, value)| vec![name.to_owned(), value])
        .collect();
    body += &table(&["parameter", "value"], &rows);
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>Fieldproof: whether attacks pay</title><style>{STYLE}</style></head><body>\
         <h1>Whether attacks pay</h1>\
         <p>Agents on the compiled programs, who pay real bonds, rents and fees. Every attack is performed by the programs' \
         own instructions, once found out and once not. Seed {}.</p>{body}</body></html>\n",
        results.seed
    )
}

/// Charts of a figure by epoch: without attacks, and under each attack that changes it.
fn each(results: &Results, of: fn(&Figures) -> f64) -> String {
    let points = |figures: &[Figures]| -> Vec<(f64, f64)> {
        let figures = figures.iter();
        figures
            .map(|figures| (figures.epoch as f64, of(figures)))
            .collect()
    };
    let tick = |x: f64| format!("{x:.0}");
    let alone = points(&results.figures);
    let mut charts = format!(
        "<h3>without attacks</h3>{}",
        chart(&[("line", &alone)], &[], &tick)
    );
    for swept in &results.attacks {
        let (with, without) = (points(&swept.figures), points(&swept.without));
        // Emissions differ by what floors leave over, too.
        let mut both = with.iter().zip(&without);
        if both.any(|((_, with), (_, without))| (with - without).abs() > 0.5) {
            let lines: [(&str, &[_]); 2] = [("beside", &without), ("line", &with)];
            let chart = chart(&lines, &[], &tick);
            let _ = write!(charts, "<h3>{}</h3>{chart}", swept.name);
        }
    }
    charts
}

/// A chart of lines as inline SVG, each with its class and one point at each place, and with lines across at some places, which
/// have a class too.
fn chart(
    lines: &[(&str, &[(f64, f64)])],
    marks: &[(f64, &str)],
    tick: &dyn Fn(f64) -> String,
) -> String {
    const WIDTH: f64 = 860.0;
    const HEIGHT: f64 = 200.0;
    const LEFT: f64 = 64.0;
    const RIGHT: f64 = 14.0;
    const TOP: f64 = 14.0;
    const BOTTOM: f64 = 30.0;
    let points = lines.first().map_or(&[][..], |(_, points)| *points);
    let (Some((first, _)), Some((last, _))) = (points.first(), points.last()) else {
        return String::new();
    };
    let values = lines.iter().flat_map(|(_, points)| points.iter());
    let values = values.map(|(_, value)| *value);
    let low = values.clone().fold(0.0, f64::min);
    let high = values.fold(0.0, f64::max);
    let span = (high - low).max(1e-9);
    let x = |value: f64| LEFT + (value - first) / (last - first).max(1e-9) * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| TOP + (high - value) / span * (HEIGHT - TOP - BOTTOM);
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">");
    let end = WIDTH - RIGHT;
    for (value, class) in [(low, "grid"), (0.0, "zero"), (high, "grid")] {
        let at = y(value);
        let _ = write!(
            svg,
            "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{end}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            at + 4.0,
            short(value)
        );
    }
    for (place, _) in points {
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            x(*place),
            HEIGHT - 8.0,
            tick(*place)
        );
    }
    for (place, class) in marks {
        if (first..=last).contains(&place) {
            let at = x(*place);
            let _ = write!(
                svg,
                "<line class=\"{class}\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{:.1}\"/>",
                HEIGHT - BOTTOM
            );
        }
    }
    for (class, points) in lines {
        let mut path = String::new();
        for (number, (place, value)) in points.iter().enumerate() {
            let command = if number == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{command}{:.1} {:.1}", x(*place), y(*value));
        }
        let _ = write!(svg, "<path class=\"{class}\" d=\"{path}\"/>");
    }
    svg + "</svg>"
}

/// A table of which all columns but the first hold numbers.
fn table(titles: &[&str], rows: &[Vec<String>]) -> String {
    let class = |column: usize| if column == 0 { "" } else { " class=\"n\"" };
    let mut html = String::from("<table><tr>");
    for (column, title) in titles.iter().enumerate() {
        let _ = write!(html, "<th{}>{title}</th>", class(column));
    }
    html += "</tr>";
    for row in rows {
        html += "<tr>";
        for (column, cell) in row.iter().enumerate() {
            let _ = write!(html, "<td{}>{cell}</td>", class(column));
        }
        html += "</tr>";
    }
    html + "</table>"
}

fn usd(value: f64) -> String {
    format!("{value:.2}")
}

fn short(value: f64) -> String {
    if value.abs() < 10.0 && value != 0.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.0}")
    }
}

fn tokens(usd: f64, parameters: &Parameters) -> String {
    format!("{:.0}", usd / parameters.reward_usd)
}

fn percent(share: f64) -> String {
    if share > 0.0 && share < 0.0005 {
        return "under 0.1 %".to_owned();
    }
    format!("{:.1} %", share * 100.0)
}

fn times(factor: Option<f64>) -> String {
    match factor {
        Some(factor) if factor < 1.0 => format!("{factor:.2}×"),
        Some(factor) => format!("{factor:.1}×"),
        None => "none".to_owned(),
    }
}

/// A ratio of the sweep, and what it is in absolute terms.
fn break_even(factor: Option<f64>, results: &Results) -> String {
    match factor {
        Some(factor) => format!(
            "{} ({:.1} %)",
            times(Some(factor)),
            factor * results.reward_to_bond * 100.0
        ),
        None => "beyond 10×".to_owned(),
    }
}
