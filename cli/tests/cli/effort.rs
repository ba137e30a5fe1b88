//! `--threads` and `--memory`: they change what hashing takes, and nothing that comes out.

use crate::common::{SIGN, VERIFY, World, with};

#[test]
fn results_do_not_depend_on_threads_or_memory() {
    let world = World::with_keys();
    for n in 0..20_u8 {
        let bytes: Vec<u8> = (0..n).cycle().take(usize::from(n) * 200_000).collect();
        world.file(&format!("model/{n}"), bytes);
    }
    world.run(&with(&SIGN, &["--threads", "3", "--memory", "1M"])).exits(0);
    let digest = ["digest", "model", "--format", "json", "--method", "shards", "--shard-size", "100000"];
    let expected = world.run(&digest).exits(0).stdout;
    for effort in [
        &["--threads", "1"][..],
        &["--threads", "7"],
        &["--threads", "100000"],
        &["--memory", "1"],
        &["--memory", "64KiB", "--threads", "2"],
        &["--memory", "64M"],
        &["--memory", "18446744073709551615", "--threads", "4"],
    ] {
        let found = world.run(&with(&digest, effort)).exits(0).says_nothing().stdout;
        assert!(found == expected, "{effort:?}");
        world.run(&with(&VERIFY, effort)).exits(0);
        // The same statement again: were it another one, it would not be written over the first.
        world.run(&with(&SIGN, effort)).exits(0);
    }
}

#[test]
fn bad_values_are_wrong_usage() {
    let world = World::signed();
    for command in [&["digest", "model"][..], &SIGN, &VERIFY] {
        for (flag, value) in [
            ("--threads", "0"),
            ("--threads", "-1"),
            ("--threads", "many"),
            ("--threads", ""),
            ("--threads", "99999999999999999999"),
            ("--memory", "0"),
            ("--memory", "64Q"),
            ("--memory", "M"),
            ("--memory", "18446744073709551616"),
            ("--memory", "99999999999999999G"),
        ] {
            let given = format!("{flag}={value}");
            world.refused(&with(command, &[&given]), 2, "usage.flags", &format!("for '{flag} <"));
        }
    }
}
