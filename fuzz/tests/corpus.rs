//! Runs the fuzz targets without libFuzzer, on the stored corpus and on inputs made from it at
//! random. A failure prints its input. `FUZZ_SEED` runs other inputs than usual.

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};

use fastrand::Rng;
use marchproxy_fuzz::{TARGETS, Target};

/// Inputs made at random, for each target.
const INPUTS: u32 = 50_000;
/// The most changes that make a new input.
const MOST_CHANGES: u32 = 3;
/// The longest piece that is moved.
const LONGEST_PIECE: usize = 64;

#[test]
fn the_stored_corpus_keeps_every_promise() {
    for (name, target) in TARGETS {
        for (path, input) in corpus(name) {
            run(target, &input, &path.display().to_string());
        }
    }
}

#[test]
fn inputs_made_from_the_corpus_keep_every_promise() {
    let seed = std::env::var("FUZZ_SEED").map_or(1, |seed| seed.parse().expect("a number"));
    for (name, target) in TARGETS {
        let corpus: Vec<Vec<u8>> = corpus(name).into_iter().map(|(_, input)| input).collect();
        let mut random = Rng::with_seed(seed);
        for number in 0..INPUTS {
            let input = make(&corpus, &mut random);
            run(target, &input, &format!("{name}, input {number} of seed {seed}"));
        }
    }
}

#[test]
fn every_target_has_a_program_for_libfuzzer() {
    for (name, _) in TARGETS {
        assert!(root().join(format!("fuzz_targets/{name}.rs")).is_file(), "{name}");
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The inputs of a target, in the same order everywhere.
fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let mut paths = files_in(&root().join("corpus").join(name));
    if name == "configuration" {
        paths.extend(files_in(&root().join("../conf/examples")));
    }
    paths.into_iter().map(|path| (path.clone(), fs::read(path).expect("a file"))).collect()
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.is_file());
    paths.sort();
    assert!(!paths.is_empty(), "{folder:?} is empty");
    paths
}

fn run(target: Target, input: &[u8], what: &str) {
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(|| target(input))) {
        eprintln!("{what}:\n{}", input.escape_ascii());
        panic::resume_unwind(payload);
    }
}

/// An input of the corpus, changed in a few places.
fn make(corpus: &[Vec<u8>], random: &mut Rng) -> Vec<u8> {
    let mut input = pick(corpus, random).clone();
    for _ in 0..random.u32(1..=MOST_CHANGES) {
        let place = random.usize(0..=input.len());
        match random.u8(0..5) {
            0 => input.insert(place, random.u8(..)),
            1 => drop(input.splice(place..piece_end(place, &input, random), [])),
            2 => drop(input.splice(place..piece_end(place, &input, random), [random.u8(..)])),
            3 => {
                let other = pick(corpus, random);
                let start = random.usize(0..=other.len());
                let piece = &other[start..piece_end(start, other, random)];
                drop(input.splice(place..place, piece.iter().copied()));
            }
            _ => {
                let piece = input[place..piece_end(place, &input, random)].to_vec();
                drop(input.splice(place..place, piece));
            }
        }
    }
    input
}

fn pick<'a>(corpus: &'a [Vec<u8>], random: &mut Rng) -> &'a Vec<u8> {
    &corpus[random.usize(0..corpus.len())]
}

fn piece_end(start: usize, input: &[u8], random: &mut Rng) -> usize {
    random.usize(start..=input.len().min(start + LONGEST_PIECE))
}
