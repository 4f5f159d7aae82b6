//! The harness of the fuzz targets under mutated texts: a short run from a fixed seed in every test run, and as long as one
//! likes with `FLEETWRIGHT_FUZZ_SECONDS`.

mod harness;

use std::time::{Duration, Instant};

use fleetwright_documents::{library, quirks};

/// Mutations of every test run. More are made until the time is over that the environment asks for.
const MUTATIONS: u32 = 1_500;
const SEED: u64 = 0x05ee_d0ff_1ee7;
/// What documents are made of: pieces that meet more code than single bytes do.
const PIECES: [&str; 24] = [
    "{{",
    "}}",
    "{{ p }}",
    "{{ssm:x}}",
    "{{ ssm-secure:x:3 }}",
    "\0",
    "&a",
    "*a",
    "<<: *a",
    "- ",
    ": ",
    "\n  ",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "'",
    "|\n",
    "platformType",
    "StringEquals",
    "é\u{1f600}",
    "null",
    "1e999",
];

/// A xorshift: enough to choose bytes, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound.max(1) as u64).unwrap_or(0)
    }
}

fn mutated(seed: &[u8], random: &mut Random) -> Vec<u8> {
    let mut data = seed.to_vec();
    for _ in 0..=random.below(6) {
        let at = random.below(data.len() + 1);
        match random.below(5) {
            0 if at < data.len() => data[at] ^= 1 << random.below(8),
            1 => data.truncate(at),
            2 => {
                let end = (at + random.below(40)).min(data.len());
                let piece = data[at..end].to_vec();
                data.splice(at..at, piece);
            }
            3 => {
                let end = (at + random.below(20)).min(data.len());
                data.drain(at..end);
            }
            _ => {
                data.splice(at..at, PIECES[random.below(PIECES.len())].bytes());
            }
        }
    }
    data
}

fn run(seeds: &[&[u8]], target: impl Fn(&[u8])) {
    let seconds = std::env::var("FLEETWRIGHT_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    let until = Instant::now() + Duration::from_secs(seconds.unwrap_or(0));
    let mut random = Random(SEED);
    seeds.iter().for_each(|seed| target(seed));
    let mut made = 0;
    while made < MUTATIONS || Instant::now() < until {
        let data = mutated(seeds[random.below(seeds.len())], &mut random);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| target(&data)));
        assert!(outcome.is_ok(), "mutation {made} breaks it:\n{}", data.escape_ascii());
        made += 1;
    }
}

#[test]
fn the_parser_withstands_any_text() {
    let documents = quirks::QUIRKS.iter().filter_map(|quirk| match quirk.example {
        quirks::Example::Document { text, .. } => Some(text.as_bytes()),
        quirks::Example::Exit { .. } => None,
    });
    let seeds: Vec<&[u8]> =
        library::all().iter().map(|shipped| shipped.text.as_bytes()).chain(documents).collect();
    run(&seeds, harness::parser);
}

#[test]
fn a_value_goes_in_verbatim_whatever_it_is() {
    run(
        &[b"echo {{ p }}\0x", b"{{p}}{{q}}\0{{ p }}", b"{{ p\0}}", b"$$ {{{p}}}\0$1 \\ \" '", b"\0"],
        harness::substitution,
    );
}

#[test]
fn a_precondition_is_decided_once_and_for_all() {
    run(&[b"platformType\0Linux", b"{{ p }}\0x", b"{{p}}\0{{ p }}", b"a\0a", b"\0"], harness::preconditions);
}
