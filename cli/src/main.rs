use std::process::ExitCode;

use clap::Parser;
use quiz_etl::Cli;
use quiz_etl::ui::{Terminal, WrongUse};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let terminal = Terminal::from_process(cli.json);
    terminal.start_log();
    match quiz_etl::run(cli, terminal).await {
        Ok(done) => done.exit_code(),
        Err(error) => {
            terminal.error(&error);
            let wrong_use = error.downcast_ref::<WrongUse>().map(|_| WrongUse::EXIT_CODE.into());
            wrong_use.unwrap_or(ExitCode::FAILURE)
        }
    }
}
