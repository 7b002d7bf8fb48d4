//! The command `simulate`: runs scenarios and checks every invariant of the engine (`make
//! simulate`).
//!
//! Each seed generates one scenario. The program stops after the given time, or when the simulated
//! sessions add up to the given number of days. The first scenario that violates an invariant is
//! shortened and printed as text for `tests/regressions/`.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use session_timeout_simulation::{Failure, Report, simulate};

const USAGE: &str = "\
usage: simulate [--seconds N | --session-days N] [--seed S] [--threads N] [--json]

  --seconds N       run for this many seconds (60)
  --session-days N  run until sessions have lasted this many days in total
  --seed S          start with this seed (0); with --session-days 0, only this one
  --threads N       use this many threads (one per processor)
  --json            print one JSON document

The exit status is 0 where every invariant held, 1 where one was broken, 2 for a wrong command
line.";

/// The number of scenarios that a thread runs between two reports of its progress.
const BATCH: u64 = 50;

fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("simulate: {why}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let (report, failure, took) = run(&options);
    if options.json {
        println!("{}", report.json());
    } else {
        let days = report.session_days();
        print!("{report}");
        println!("{days} session-days in {} s", took.as_secs());
    }
    match failure {
        None => {
            eprintln!("simulate: every invariant held");
            ExitCode::SUCCESS
        }
        Some(failure) => {
            let Failure {
                seed,
                violation,
                scenario,
            } = *failure;
            eprintln!("simulate: seed {seed} violates an invariant {violation}\n");
            eprintln!(
                "This is the shortest scenario found; it goes into simulation/tests/regressions/:\n"
            );
            eprintln!("{scenario}");
            ExitCode::FAILURE
        }
    }
}

/// The arguments of the command line.
#[derive(Clone, Copy, Debug)]
struct Options {
    until: Until,
    seed: u64,
    threads: usize,
    json: bool,
}

#[derive(Clone, Copy, Debug)]
enum Until {
    Seconds(u64),
    SessionDays(u64),
}

impl Options {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let processors = std::thread::available_parallelism();
        let mut options = Self {
            until: Until::Seconds(60),
            seed: 0,
            threads: processors.map_or(1, std::num::NonZero::get),
            json: false,
        };
        while let Some(word) = words.next() {
            let mut number = || {
                let value = words.next().ok_or(format!("{word} wants a number"))?;
                let number = value.parse::<u64>();
                number.map_err(|_| format!("{word} wants a number, and \"{value}\" is none"))
            };
            match word.as_str() {
                "--seconds" => options.until = Until::Seconds(number()?),
                "--session-days" => options.until = Until::SessionDays(number()?),
                "--seed" => options.seed = number()?,
                "--threads" => {
                    options.threads = usize::try_from(number()?).unwrap_or(1).clamp(1, 1024);
                }
                "--json" => options.json = true,
                _ => return Err(format!("what is \"{word}\"?")),
            }
        }
        Ok(options)
    }
}

/// The state that all threads share.
struct Shared {
    began: Instant,
    next: AtomicU64,
    stop: AtomicBool,
    found: Mutex<(Report, Option<Box<Failure>>)>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long the simulation itself takes is no time of the engine's"
)]
fn now() -> Instant {
    Instant::now()
}

fn run(options: &Options) -> (Report, Option<Box<Failure>>, Duration) {
    let shared = Shared {
        began: now(),
        next: AtomicU64::new(options.seed),
        stop: AtomicBool::new(false),
        found: Mutex::new((Report::default(), None)),
    };
    std::thread::scope(|scope| {
        for _ in 0..options.threads {
            scope.spawn(|| shared.run(options));
        }
    });
    if stderr().is_terminal() {
        eprintln!();
    }
    let took = now().duration_since(shared.began);
    let found = shared.found.into_inner();
    let (report, failure) = found.unwrap_or_else(std::sync::PoisonError::into_inner);
    (report, failure, took)
}

impl Shared {
    fn run(&self, options: &Options) {
        while !self.stop.load(Ordering::Relaxed) {
            let from = self.next.fetch_add(BATCH, Ordering::Relaxed);
            let mut report = Report::default();
            let mut failure = None;
            for seed in from..from.saturating_add(BATCH) {
                if let Err(broken) = simulate(seed, &mut report) {
                    failure = Some(broken);
                    break;
                }
                if matches!(options.until, Until::SessionDays(0)) {
                    break;
                }
            }
            self.learn(options, &report, failure);
        }
    }

    fn learn(&self, options: &Options, report: &Report, failure: Option<Box<Failure>>) {
        let found = self.found.lock();
        let mut found = found.unwrap_or_else(std::sync::PoisonError::into_inner);
        found.0.add(report);
        let elapsed = now().duration_since(self.began);
        let over = match options.until {
            Until::Seconds(seconds) => elapsed.as_secs() >= seconds,
            Until::SessionDays(days) => found.0.session_days() >= days,
        };
        if over || failure.is_some() {
            self.stop.store(true, Ordering::Relaxed);
        }
        // The failure with the lowest seed is kept, so that two runs report the same one.
        let lower = |known: &Failure, new: &Failure| new.seed < known.seed;
        if let Some(new) = failure
            && found.1.as_ref().is_none_or(|known| lower(known, &new))
        {
            found.1 = Some(new);
        }
        if stderr().is_terminal() {
            let (seeds, days) = (found.0.seeds, found.0.session_days());
            eprint!(
                "\r{} s: {seeds} seeds, {days} session-days",
                elapsed.as_secs()
            );
            // Progress is only for an interactive terminal.
            let _ = stderr().flush();
        }
    }
}
