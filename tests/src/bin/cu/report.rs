//! The figures as docs/benchmarks.md has them, and whether they are worse than that.

use crate::bench::{Cost, Figure};
use anyhow::{ensure, Context, Result};
use comfy_table::{presets::ASCII_MARKDOWN, CellAlignment, Table};
use fieldproof_client::token::format_amount;
use serde::Serialize;
use std::collections::BTreeMap;

/// How much a figure may rise before it counts as worse, in percent.
const TOLERANCE: u64 = 5;
/// Decimals of SOL.
const SOL: u8 = 9;
/// Marks a budget that is exceeded and known to be.
const OPEN: &str = "open";

const INTRODUCTION: &str = "\
# Benchmarks

What every instruction of the programs costs, in named cases that are its worst. `cargo xtask cu` builds the programs, \
runs each case on the compiled binaries in LiteSVM with mainnet's features, and writes this file; `cargo xtask cu \
--check` fails where a figure is over 5 % worse than here, or exceeds a budget that is not marked open.

- CU are those of the instruction and all that it calls, as the chain logs them. Precompiles and compute-budget \
instructions of the same transaction are not in it: the first cost no CU, the second 150 each.
- Bytes and rent are those of the accounts that come into being; the accounts are there already where neither is. Rent \
is what makes them rent-exempt at mainnet's rate, and comes back where one closes. Fees of signatures are not in it.
- An instruction that creates an account searches its address, which costs 1,500 CU for each bump that it has to pass \
over. Keys are numbered here, not random, so figures repeat to the unit; other keys cost some thousands more or less.
- Proofs of leaves are fresh where nothing else is said. To bring one up to date that is 256 changes old costs as \
much more as the two cases of `assert_location` differ.
- Budgets are those of the design. What a CPI or a library call costs its caller is measured inside a program that does \
nothing else (tests/probe).
";

/// A limit of compute units for a case.
struct Budget {
    program: &'static str,
    instruction: &'static str,
    case: &'static str,
    cu: u64,
    /// Why it is exceeded, if that is known.
    open: Option<&'static str>,
}

const fn budget(
    program: &'static str,
    instruction: &'static str,
    case: &'static str,
    cu: u64,
) -> Budget {
    Budget {
        program,
        instruction,
        case,
        cu,
        open: None,
    }
}

const BUDGETS: [Budget; 34] = [
    budget(
        "device-registry",
        "register_device",
        "depth 24, canopy 10, P-256 possession, Ed25519 voucher; worst of 16",
        18_000,
    ),
    budget(
        "device-registry",
        "register_device",
        "depth 24, canopy 10, Ed25519 possession and voucher; worst of 16",
        18_000,
    ),
    budget(
        "device-registry",
        "register_device",
        "depth 24, canopy 10, P-256 possession and certificate; worst of 16",
        18_000,
    ),
    budget(
        "device-registry",
        "register_device",
        "depth 24, canopy 10, P-256 possession, Ed25519 voucher, paid with credits; worst of 16",
        18_000,
    ),
    budget(
        "device-registry",
        "register_device",
        "depth 24, canopy 10, P-256 possession and certificate, paid with credits; worst of 16",
        18_000,
    ),
    budget(
        "device-registry",
        "register_batch",
        "a device, of as many P-256 keys as fit v1, paid with credits",
        1_500,
    ),
    budget(
        "device-registry",
        "register_batch",
        "a device, of as many P-256 keys as fit v1; worst of 4 batches",
        1_500,
    ),
    budget(
        "device-registry",
        "register_batch",
        "a device, of as many Ed25519 keys as fit v1; worst of 4 batches",
        1_500,
    ),
    budget(
        "device-registry",
        "report_equivocation",
        "without its slash; P-256 session, depth 24, canopy 10",
        20_000,
    ),
    budget(
        "device-registry",
        "report_travel",
        "without its slash; two P-256 sessions, depth 24, canopy 10",
        20_000,
    ),
    Budget {
        open: Some("each of the two proofs costs as much as verify_reading as a library call"),
        ..budget(
            "device-registry",
            "report_travel",
            "without its slash; of a seller, P-256 key, 2 streams of 2^20 commitments, 1 batch, depth 24, canopy 10",
            20_000,
        )
    },
    budget(
        "device-registry",
        "report_duplicate",
        "without its slash; one tree, depth 24, canopy 10",
        20_000,
    ),
    budget(
        "security-pool",
        "snapshot_committee",
        "64 operators, new committee",
        30_000,
    ),
    budget(
        "security-pool",
        "slash",
        "by CPI; the last of 64 slots",
        20_000,
    ),
    budget(
        "security-pool",
        "slash",
        "by CPI; the last of 64 slots, a part beyond the cap",
        20_000,
    ),
    budget("security-pool", "slash_bond", "by CPI", 20_000),
    budget("data-commitment", "commit_root", "median of 64", 5_000),
    budget(
        "data-commitment",
        "commit_root",
        "worst of 2^20: 20 merges",
        8_000,
    ),
    budget(
        "data-commitment",
        "verify_reading",
        "by CPI; stream of 2^20 commitments, 1 batch, reading of 3 values",
        9_000,
    ),
    budget(
        "data-commitment",
        "verify_reading",
        "by CPI; stream of 2^20 commitments, 1 batch, reading of 32 values",
        9_000,
    ),
    Budget {
        open: Some("6 more levels of batches cost 1,108, at 185 a level"),
        ..budget(
            "data-commitment",
            "verify_reading",
            "by CPI; stream of 2^20 commitments, 64 batches, reading of 32 values",
            9_000,
        )
    },
    budget(
        "data-commitment",
        "verify_reading",
        "as a library call; stream of 2^20 commitments, 1 batch, reading of 3 values",
        6_000,
    ),
    budget(
        "parametric-insurance",
        "reading a feed",
        "the newest of 64 rounds, as a library call",
        400,
    ),
    budget(
        "ai-feed",
        "attest_committee",
        "5 signers, roster of 64",
        10_000,
    ),
    budget(
        "ai-feed",
        "attest_committee",
        "5 signers, roster of 64; the attestation passes",
        10_000,
    ),
    budget("ai-feed", "attest_zk", "32 windows", 88_000),
    budget(
        "ai-feed",
        "challenge_output",
        "without its slash; the last of 32 windows, the round is open",
        30_000,
    ),
    budget(
        "ai-feed",
        "challenge_output",
        "without its slash; the last of 32 windows, the value is found last of 64",
        30_000,
    ),
    budget(
        "reward-emission",
        "claim",
        "depth 21; the first, with register_payee",
        22_000,
    ),
    budget(
        "reward-emission",
        "claim",
        "depth 21; the first, with register_payee and a token account of its own key",
        22_000,
    ),
    Budget {
        open: Some("13,500 are the associated token program's, at the first bump"),
        ..budget(
            "reward-emission",
            "claim",
            "depth 21; the first, with register_payee and the creation of the associated token account",
            22_000,
        )
    },
    budget("reward-emission", "claim", "depth 21", 14_000),
    budget("reward-emission", "vote_root", "roster of 64", 6_000),
    budget(
        "reward-emission",
        "report_double_vote",
        "without its slash",
        20_000,
    ),
];

/// A program's binary.
#[derive(Debug, Serialize)]
pub struct Binary {
    /// The program.
    pub name: &'static str,
    /// Its size.
    pub bytes: u64,
    /// What else there is to say of its costs.
    #[serde(skip)]
    pub notes: Vec<String>,
}

/// Everything that was measured.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// What instructions cost, program by program.
    pub instructions: Vec<Figure>,
    /// The programs.
    pub programs: Vec<Binary>,
}

impl Report {
    /// Fails when a budget's case was not measured.
    pub fn require_budgeted(&self) -> Result<()> {
        for budget in &BUDGETS {
            ensure!(
                self.instructions.iter().any(|figure| budget.is_of(figure)),
                "{} {} has a budget, and was not measured: {}",
                budget.program,
                budget.instruction,
                budget.case
            );
        }
        Ok(())
    }

    /// The whole file.
    pub fn markdown(&self) -> String {
        format!("{INTRODUCTION}\n{}", self.tables())
    }

    /// A table a program.
    pub fn tables(&self) -> String {
        let sections = self.programs.iter().map(|program| {
            let mut table = Table::new();
            table.load_preset(ASCII_MARKDOWN).set_header([
                "instruction",
                "case",
                "CU",
                "budget",
                "bytes",
                "rent, lamports",
                "rent, SOL",
            ]);
            for column in [2, 4, 5, 6] {
                if let Some(column) = table.column_mut(column) {
                    column.set_cell_alignment(CellAlignment::Right);
                }
            }
            let figures = self.instructions.iter();
            table.add_rows(
                figures
                    .filter(|figure| figure.program == program.name)
                    .map(row),
            );
            let (name, bytes) = (program.name, grouped(program.bytes));
            let mut section = format!("## {name}\n\nBinary: {bytes} bytes.\n\n{table}\n");
            for note in &program.notes {
                section.extend(["\n", note, "\n"]);
            }
            section
        });
        sections.collect::<Vec<_>>().join("\n")
    }

    /// A line for whatever is worse than in `committed`, the text of an earlier [`markdown`](Self::markdown).
    pub fn compare(&self, committed: &str) -> Result<Vec<String>> {
        let committed = Committed::parse(committed)?;
        let mut worse = Vec::new();
        for Binary { name, bytes, .. } in &self.programs {
            match committed.programs.get(*name) {
                Some(before) => worse.extend(rise(name, "bytes of the binary", *before, *bytes)),
                None => worse.push(format!("{name} is new: run `cargo xtask cu`")),
            }
        }
        for figure in &self.instructions {
            let name = name(figure);
            let Some(before) = committed.row(figure) else {
                worse.push(format!("{name} is new: run `cargo xtask cu`"));
                continue;
            };
            worse.extend(rise(&name, "CU", before.cost.cu, figure.cost.cu));
            worse.extend(rise(&name, "bytes", before.cost.bytes, figure.cost.bytes));
            if let Some(budget) = exceeded(figure).filter(|_| !before.open) {
                let (cu, limit) = (grouped(figure.cost.cu), grouped(budget.cu));
                worse.push(format!("{name}: {cu} CU exceed the budget of {limit}"));
            }
        }
        Ok(worse)
    }
}

impl Budget {
    fn is_of(&self, figure: &Figure) -> bool {
        (self.program, self.instruction, self.case)
            == (figure.program, figure.instruction, figure.case)
    }
}

/// The budget of a figure that is above it.
fn exceeded(figure: &Figure) -> Option<&'static Budget> {
    budget_of(figure).filter(|budget| figure.cost.cu > budget.cu)
}

fn budget_of(figure: &Figure) -> Option<&'static Budget> {
    BUDGETS.iter().find(|budget| budget.is_of(figure))
}

fn name(figure: &Figure) -> String {
    let Figure {
        program,
        instruction,
        case,
        ..
    } = figure;
    match *case {
        "" => format!("{program} {instruction}"),
        case => format!("{program} {instruction} ({case})"),
    }
}

fn row(figure: &Figure) -> [String; 7] {
    let Cost { cu, bytes, rent } = figure.cost;
    let limit = budget_of(figure).map_or_else(String::new, |budget| grouped(budget.cu));
    let budget = match exceeded(figure).map(|budget| budget.open) {
        None => limit,
        Some(Some(why)) => format!("{limit}, {OPEN}: {why}"),
        Some(None) => format!("{limit}, exceeded"),
    };
    [
        figure.instruction.into(),
        figure.case.into(),
        grouped(cu),
        budget,
        grouped(bytes),
        grouped(rent),
        format_amount(rent, SOL),
    ]
}

/// A line if `now` is too much more than `before`.
fn rise(name: &str, unit: &str, before: u64, now: u64) -> Option<String> {
    (100 * now > (100 + TOLERANCE) * before).then(|| {
        let (before, now) = (grouped(before), grouped(now));
        format!("{name}: {now} {unit} instead of {before}, a rise of over {TOLERANCE} %")
    })
}

/// A number with commas between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What an earlier file says.
struct Committed {
    programs: BTreeMap<String, u64>,
    /// By program, instruction and case.
    rows: BTreeMap<[String; 3], Row>,
}

struct Row {
    cost: Cost,
    open: bool,
}

impl Committed {
    fn parse(text: &str) -> Result<Self> {
        let mut committed = Self {
            programs: BTreeMap::new(),
            rows: BTreeMap::new(),
        };
        let mut program = "";
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("## ") {
                program = name;
            } else if let Some(bytes) = between(line, "Binary: ", " bytes.") {
                committed.programs.insert(program.into(), number(bytes)?);
            } else if let Some(row) = between(line, "|", "|") {
                committed.add(program, row)?;
            }
        }
        Ok(committed)
    }

    fn add(&mut self, program: &str, row: &str) -> Result<()> {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [instruction, case, cu, budget, bytes, rent, _] = cells[..] else {
            return Ok(());
        };
        if instruction == "instruction" || instruction.starts_with('-') {
            return Ok(());
        }
        let cost = Cost {
            cu: number(cu)?,
            bytes: number(bytes)?,
            rent: number(rent)?,
        };
        let open = budget.contains(OPEN);
        let key = [program, instruction, case].map(String::from);
        self.rows.insert(key, Row { cost, open });
        Ok(())
    }

    fn row(&self, figure: &Figure) -> Option<&Row> {
        let key = [figure.program, figure.instruction, figure.case].map(String::from);
        self.rows.get(&key)
    }
}

fn between<'a>(line: &'a str, start: &str, end: &str) -> Option<&'a str> {
    line.strip_prefix(start)?.strip_suffix(end)
}

fn number(text: &str) -> Result<u64> {
    let digits = text.replace(',', "");
    digits
        .parse()
        .with_context(|| format!("`{text}` in the committed file is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    fn report(cu: u64, bytes: u64, binary: u64) -> Report {
        let budgeted = BUDGETS
            .iter()
            .find(|budget| (budget.instruction, budget.cu) == ("commit_root", 5_000))
            .unwrap();
        Report {
            instructions: vec![
                Figure {
                    program: "data-commitment",
                    instruction: "open_stream",
                    case: "",
                    cost: Cost {
                        cu: 12_345,
                        bytes,
                        rent: 1_234_567,
                    },
                },
                Figure {
                    program: budgeted.program,
                    instruction: budgeted.instruction,
                    case: budgeted.case,
                    cost: Cost {
                        cu,
                        bytes: 0,
                        rent: 0,
                    },
                },
            ],
            programs: vec![Binary {
                name: "data-commitment",
                bytes: binary,
                notes: vec!["A note.".into()],
            }],
        }
    }

    #[test]
    fn the_same_and_a_little_more_are_not_worse() {
        let committed = report(4_000, 1_000, 200_000).markdown();
        for same in [
            report(4_000, 1_000, 200_000),
            report(4_200, 1_050, 210_000),
            report(1, 1, 1),
        ] {
            assert_eq!(same.compare(&committed).unwrap(), [""; 0]);
        }
    }

    #[test]
    fn whatever_rose_by_more_is_named() {
        let committed = report(4_000, 1_000, 200_000).markdown();
        let worse = report(4_201, 1_051, 210_001).compare(&committed).unwrap();
        assert_eq!(
            worse,
            [
                "data-commitment: 210,001 bytes of the binary instead of 200,000, a rise of over 5 %",
                "data-commitment open_stream: 1,051 bytes instead of 1,000, a rise of over 5 %",
                "data-commitment commit_root (median of 64): 4,201 CU instead of 4,000, a rise of over 5 %",
            ]
        );
        let created = report(4_000, 0, 200_000).markdown();
        assert_eq!(report(4_000, 1, 1).compare(&created).unwrap().len(), 1);
    }

    #[test]
    fn a_budget_holds_unless_the_committed_file_calls_it_open() {
        let exceeded = report(5_001, 1_000, 200_000);
        let committed = exceeded.markdown();
        assert!(committed.contains("| 5,000, exceeded |"), "{committed}");
        assert_eq!(
            exceeded.compare(&committed).unwrap(),
            ["data-commitment commit_root (median of 64): 5,001 CU exceed the budget of 5,000"]
        );
        let open = committed.replace("5,000, exceeded", "5,000, open: a reason");
        assert_eq!(exceeded.compare(&open).unwrap(), [""; 0]);
    }

    #[test]
    fn what_the_committed_file_lacks_is_new() {
        let worse = report(1, 1, 1).compare("# Benchmarks\n").unwrap();
        assert_eq!(worse.len(), 3);
        assert!(worse.iter().all(|line| line.ends_with("`cargo xtask cu`")));
    }

    #[test]
    fn every_instruction_is_in_the_committed_file() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
        let committed = Committed::parse(&read("docs/benchmarks.md")).unwrap();
        assert_eq!(committed.programs.len(), 6);
        for program in committed.programs.keys() {
            let source = read(&format!("programs/{program}/src/lib.rs"));
            let (_, module) = source.split_once("#[program]").unwrap();
            let instructions: Vec<&str> = module
                .lines()
                .filter_map(|line| line.trim().strip_prefix("pub fn "))
                .filter_map(|line| line.split(['(', '<']).next())
                .collect();
            assert!(!instructions.is_empty(), "{program}");
            for instruction in instructions {
                let mut rows = committed.rows.keys();
                let measured = rows.any(|[owner, name, _]| owner == program && name == instruction);
                assert!(measured, "{program} {instruction} is not measured");
            }
        }
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let committed = report(4_000, 1_000, 200_000).markdown();
        let damaged = committed.replace("12,345", "many");
        assert!(report(1, 1, 1).compare(&damaged).is_err());
    }
}
