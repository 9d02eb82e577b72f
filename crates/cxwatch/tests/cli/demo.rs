//! The README's first command, in a quarter of its time.

use std::process::Command;

#[test]
fn the_demo_asks_and_withdraws_and_says_what_to_try_next() {
    let output = Command::new(env!("CARGO_BIN_EXE_cxwatch"))
        .args(["demo", "--seconds", "10"])
        .output()
        .expect("the program runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    let lines = |what: &str| text.lines().filter(|line| line.get(10..18) == Some(what)).count();
    // The day has 346 actions; a machine that is busy shows some of them late, not others.
    assert!(lines("ask for ") > 200, "{text}");
    assert!(lines("withdraw") > 50, "{text}");
    for rule in
        ["cart-abandonment", "failed-self-service", "voice-wait", "post-unanswered", "experience-debt"]
    {
        assert!(text.lines().any(|line| line.starts_with(&format!("  {rule}"))), "{rule} in {text}");
    }
    assert!(text.contains("events,") && text.contains("Next:"), "{text}");
    // What nobody took in time has no line of its own: the summary counts it, and nothing is lost on the way.
    let counted = |what: &str| -> usize {
        let parts = text.lines().flat_map(|line| line.split([',', ';']).map(str::trim));
        let counts = parts
            .filter_map(|part| part.strip_suffix(what)?.split_whitespace().last()?.parse::<usize>().ok());
        counts.sum()
    };
    let (asked, withdrawn, expired) =
        (counted(" asked for"), counted(" withdrawn"), counted(" expired untaken"));
    assert!(expired > 50, "{text}");
    assert_eq!((lines("ask for "), lines("withdraw")), (asked, withdrawn), "{text}");
    assert_eq!(asked, withdrawn + expired + counted(" are still wanted"), "{text}");
    assert_eq!(errors, "");
}
