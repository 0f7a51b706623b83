//! Writes the pictures of all test cases: `cargo run -p quiz-chart --example pictures -- DIR`.
#![expect(clippy::print_stdout, reason = "the example prints the files that it wrote")]

use std::path::PathBuf;
use std::time::Instant;
use std::{env, fs, io};

use quiz_chart::png;

#[path = "../tests/cases/mod.rs"]
mod cases;

fn main() -> io::Result<()> {
    let folder = PathBuf::from(env::args().nth(1).unwrap_or_else(|| "pictures".to_owned()));
    fs::create_dir_all(&folder)?;
    for (name, distribution) in cases::all() {
        let start = Instant::now();
        let Some(picture) = png(&distribution).map_err(io::Error::other)? else { continue };
        let took = start.elapsed();
        let path = folder.join(format!("{name}.png"));
        fs::write(&path, &picture)?;
        println!("{} {} bytes, {} ms", path.display(), picture.len(), took.as_millis());
    }
    Ok(())
}
