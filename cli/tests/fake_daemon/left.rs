//! `left` with a daemon on the fake bus.

use crate::bus::Bus;
use crate::command::{run, stderr, stdout};
use crate::daemon::Daemon;

#[tokio::test]
async fn left_prints_one_line_in_the_requested_format() {
    for (arguments, expected) in [
        (&["left", "c1"][..], "1 h 12 min\n"),
        (
            &["left", "c1", "--format", "[{short} {percent}%]"],
            "[1h12m 60%]\n",
        ),
        (
            &["left", "c1", "--json"],
            "{\"text\":\"1 h 12 min\",\"tooltip\":\"Session c1 ends in 1 h 12 min\\nby the \
             absolute limit of 2 h\\none extension is left\",\"class\":\"warned\",\
             \"percentage\":60}\n",
        ),
    ] {
        let output = run(Bus::with(Daemon::Healthy), arguments).await;
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(stdout(&output), expected);
    }
}

#[tokio::test]
async fn the_status_of_left_gives_the_reason_for_no_output() {
    let output = run(Bus::with(Daemon::Healthy), &["left", "c9"]).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let output = run(Bus::with(Daemon::NotRunning), &["left", "c1"]).await;
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(stderr(&output).contains("is it running?"), "{output:?}");
    let output = run(Bus::absent(), &["left", "--watch"]).await;
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let output = run(Bus::absent(), &["left", "--format", "{lft}"]).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(stderr(&output).contains("there is no {lft}"), "{output:?}");
    assert_eq!(stdout(&output), "");
}
