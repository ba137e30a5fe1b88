//! Running a program of the build system that hands out tokens, bounded in time and in what it may write.

use crate::http::Secret;
use std::{
    io::{self, Read},
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use zeroize::Zeroizing;

/// The first line that a program writes, trimmed.
///
/// # Errors
/// Why there is none, fit to be shown: what the program writes is not repeated.
pub(super) fn first_line(
    program: &str,
    arguments: &[&str],
    limit: usize,
    timeout: Duration,
) -> Result<Secret, String> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| format!("{program} cannot be run: {e}"))?;
    let Some(output) = child.stdout.take() else {
        return Err(format!("{program} has no output"));
    };
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::Builder::new()
        .name("token program".to_owned())
        .spawn(move || drop(sender.send(read_bounded(output, limit))))
        .map_err(|e| format!("no thread to read from {program}: {e}"))?;
    let deadline = Instant::now() + timeout;
    let read = receiver.recv_timeout(timeout);
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if read.is_ok() && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(10));
            }
            _ => break None,
        }
    };
    let Some(status) = status else {
        drop(child.kill());
        drop(child.wait());
        return Err(format!("{program} did not end within {} s", timeout.as_secs()));
    };
    if !status.success() {
        return Err(format!("{program} failed ({status})"));
    }
    match read {
        Ok(Ok(text)) => {
            let line = text.trim().lines().next().unwrap_or_default().trim().to_owned();
            Ok(Secret::new(line))
        }
        Ok(Err(e)) => Err(format!("the output of {program}: {e}")),
        Err(_) => Err(format!("{program} did not answer within {} s", timeout.as_secs())),
    }
}

fn read_bounded(output: impl Read, limit: usize) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    output.take(limit as u64 + 1).read_to_string(&mut text)?;
    if text.len() > limit {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("more than {limit} bytes")));
    }
    Ok(text)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Result<Secret, String> {
        first_line("sh", &["-c", script], 100, Duration::from_millis(700))
    }

    #[test]
    fn a_program_gives_one_line_in_time_and_in_size() {
        assert_eq!(shell("echo ' token '; echo more").unwrap().reveal(), "token");
        assert!(shell("echo token; exit 3").unwrap_err().contains("failed"));
        assert!(shell("yes | head -c 1000").unwrap_err().contains("more than 100 bytes"));
        let start = Instant::now();
        assert!(shell("sleep 20").unwrap_err().contains("did not"));
        assert!(shell("exec 1>&-; sleep 20").unwrap_err().contains("did not"));
        assert!(start.elapsed() < Duration::from_secs(10));
        assert!(first_line("no-such-program-here", &[], 9, Duration::from_secs(1)).is_err());
    }
}
