//! Ctrl-C and being told to stop.

use crate::common::{Ran, SIGN, VERIFY, World, with};
use std::{
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

#[test]
fn a_signal_ends_the_work_soon_and_leaves_nothing() {
    let world = World::with_keys();
    world.run(&with(&SIGN, &["--signature", "small.sig", "--hash", "blake2b"])).exits(0);
    // Far more than can be hashed before the signal comes.
    world.sparse("model/a.bin", 1 << 40);
    let verify = with(&VERIFY, &["--signature", "small.sig"]);
    for signal in ["INT", "TERM"] {
        for args in [&SIGN[..], &verify, &["digest", "model"]] {
            let args = with(args, &["--format", "json"]);
            let child = world.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            thread::sleep(Duration::from_millis(500));
            world.tool("kill", &[&format!("-{signal}"), &child.id().to_string()]);
            let asked = Instant::now();
            let ran = Ran::from(child.wait_with_output().unwrap()).exits(130);
            // Not a measure of speed: hours are left to hash.
            assert!(asked.elapsed() < Duration::from_secs(60));
            assert_eq!(ran.json()["code"], "error.cancelled");
            assert!(ran.stderr.contains("failed with error: cancelled"), "{}", ran.stderr);
            assert_eq!(world.list("."), ["k.key", "k.pub", "model", "small.sig"]);
        }
    }
}
