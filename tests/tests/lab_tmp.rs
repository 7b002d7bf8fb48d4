//! tmp
use session_timeout_tests::*;
use std::time::*;
#[test]
fn lab() -> Outcome {
    let suite = if std::env::var("S").as_deref() == Ok("b") {
        Suite::Bookworm
    } else {
        Suite::Trixie
    };
    let m = if std::env::var("BARE").is_ok() {
        Machine::bare(suite)?
    } else {
        Machine::with_package(suite)?
    };
    if std::env::var("INSTALL").is_ok() {
        eprintln!("{}", Package::built()?.install_on(&m)?);
    }
    eprintln!("READY {:?}", m);
    let d: u64 = std::env::var("SECS")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(60);
    let _ = hold_for(Duration::from_secs(d), "lab", || {
        if std::path::Path::new("/tmp/tests-lab/stop").exists() {
            Err("stop")
        } else {
            Ok(())
        }
    });
    eprintln!("{}", m.report());
    Ok(())
}
