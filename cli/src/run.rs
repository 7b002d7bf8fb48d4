//! Runs the command that the command line names.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::CommandFactory as _;
use session_timeout_config::{Checked, login_defs};
use session_timeout_texts::Language;

use crate::accounts::Account;
use crate::bus::{self, Bus};
use crate::cli::{
    Cli, Color, Command, DoctorOptions, ExplainOptions, LeftOptions, LoginOptions, PrintMode,
    Shell, StatusOptions,
};
use crate::error::Error;
use crate::explain::login::{self, Candidate};
use crate::explain::{self, Explanation};
use crate::left::{Left, waybar};
use crate::{check, clock, current_session, doctor, extend, status, watch};

/// Runs one command and prints its output.
pub(crate) fn run(command: Command) -> Result<ExitCode, Error> {
    match command {
        Command::Status(options) => print_status(&options),
        Command::Explain(options) => print_explanation(&options),
        Command::Extend { session } => {
            let said = wait_for(extend::extend(session.as_deref()))?;
            printed(print_text(&said, Color::Auto), ExitCode::SUCCESS)
        }
        Command::Left(options) => match wait_for(print_left(&options)) {
            Err(Error::Output(why)) => printed(Err(why), ExitCode::SUCCESS),
            other => other.map(|()| ExitCode::SUCCESS).map_err(Error::in_left),
        },
        Command::Check(options) => {
            let (status, written) = check::run(&options);
            printed(written, status.into())
        }
        Command::Doctor(options) => print_diagnosis(&options).map_err(Error::in_the_doctor),
        Command::Completions { shell } => printed(print_completions(shell), ExitCode::SUCCESS),
    }
}

/// The exit status after printing. A closed pipe, as in `session-timeout status | head -1`, is no
/// failure.
fn printed(written: io::Result<()>, code: ExitCode) -> Result<ExitCode, Error> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::Output(error)),
        _ => Ok(code),
    }
}

fn wait_for<T>(answer: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::Runtime)?
        .block_on(answer)
}

fn print_status(options: &StatusOptions) -> Result<ExitCode, Error> {
    let status = wait_for(bus::status())?;
    let written = if options.json {
        print_json(|out| status::json::write(&status, out))
    } else {
        let width = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        print_text(&status::render_text::render(&status, width), options.color)
    };
    printed(written, ExitCode::SUCCESS)
}

/// Prints what a session has left: once, or line by line until it is over.
async fn print_left(options: &LeftOptions) -> Result<(), Error> {
    let bus = Bus::system().await?;
    let left = current_session::session(&bus, options.session.as_deref()).await?;
    let language = Language::of_environment();
    let line = |left: &Left, now| {
        if options.json {
            (
                waybar::document(language, left, now),
                waybar::changes_in(left, now),
            )
        } else {
            let format = &options.format;
            (
                format.filled(language, left, now),
                format.changes_in(left, now),
            )
        }
    };
    let mut last = None;
    let mut show = |left: &Left, now| {
        let (line, changes_in) = line(left, now);
        if last.as_ref() != Some(&line) {
            print_text(&format!("{line}\n"), Color::Never).map_err(Error::Output)?;
            last = Some(line);
        }
        Ok(changes_in)
    };
    match options.print_mode() {
        PrintMode::Once => show(&left, clock::now()).map(drop),
        PrintMode::Watch => watch::watch(&bus, left, show).await,
    }
}

fn print_explanation(options: &ExplainOptions) -> Result<ExitCode, Error> {
    let explanation = match &options.session {
        Some(session) => wait_for(bus::explanation(session))?,
        None => imagined(&options.login, options.color)?,
    };
    let written = if options.json {
        print_json(|out| explain::json::write(&explanation, out))
    } else {
        print_text(&explain::render_text::render(&explanation), options.color)
    };
    printed(written, ExitCode::SUCCESS)
}

fn print_diagnosis(options: &DoctorOptions) -> Result<ExitCode, Error> {
    let diagnosis = wait_for(async { Ok(doctor::examine().await) })?;
    let written = if options.json {
        print_json(|out| doctor::json::write(&diagnosis, out))
    } else {
        let text = doctor::render_text::render(&diagnosis, options.detail());
        print_text(&text, options.color)
    };
    printed(written, diagnosis.exit_code().into())
}

/// The explanation of a hypothetical login.
fn imagined(options: &LoginOptions, color: Color) -> Result<Explanation, Error> {
    // clap requires a user if there is no session.
    let user = options.user.as_deref().unwrap_or_default();
    let groups = options
        .group
        .iter()
        .filter(|name| !name.is_empty())
        .cloned()
        .collect();
    let account = match options.uid {
        Some(uid) => Account::imagined(user, uid, groups),
        None if options.group.is_empty() => Account::of(user)?,
        None => Account::in_groups(user, groups)?,
    };
    let candidate = Candidate {
        account,
        class: options.class.clone(),
        session_type: options.session_type,
        service: options.service().to_owned(),
        from: options.from.clone(),
        tty: options.tty.clone(),
        seat: options.seat.clone(),
    };
    let sources = check::sources(options.policy.as_deref());
    let checked = Checked::of(&sources, options.minima());
    let (Some(settings), Some(files)) = (checked.settings(), checked.files()) else {
        let style = check::style(color.into());
        let drawn = checked.print_diagnostics(style, &mut io::stderr().lock());
        drawn.map_err(Error::Output)?;
        return Err(Error::Policy(checked.status()));
    };
    let first_regular_uid = login_defs::first_regular_uid();
    Ok(login::explanation(
        &candidate,
        settings,
        files,
        first_regular_uid,
    ))
}

fn print_json(
    write: impl FnOnce(&mut io::StdoutLock<'static>) -> io::Result<()>,
) -> io::Result<()> {
    let mut out = io::stdout().lock();
    write(&mut out)?;
    out.flush()
}

fn print_text(text: &str, color: Color) -> io::Result<()> {
    let mut out = anstream::AutoStream::new(io::stdout().lock(), color.into());
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn print_completions(shell: Shell) -> io::Result<()> {
    let shell = clap_complete::Shell::from(shell);
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "session-timeout", &mut script);
    let mut out = io::stdout().lock();
    out.write_all(&script)?;
    out.flush()
}
