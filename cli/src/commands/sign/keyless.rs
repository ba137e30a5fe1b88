//! `modelseal sign sigstore`: the token, the question, the browser.

use crate::{
    args::{IdentityArgs, SignIdentityArgs},
    exit::Failure,
    files, interrupt,
    output::Output,
    password, services,
};
use modelseal::{
    Environment, Flow, HttpClient, IdentityToken, Interaction, OAuth, Printable, PublicIdentity, Sayable,
    Secret, Services, TokenSourceError,
};
use std::{
    env,
    io::{self, BufRead, IsTerminal, Read, Write},
    path::Path,
    time::Duration,
};
use zeroize::Zeroizing;

const TOKEN_VARIABLE: &str = "MODELSEAL_IDENTITY_TOKEN";
const SECRET_VARIABLE: &str = "MODELSEAL_CLIENT_SECRET";
const MAX_TOKEN_BYTES: u64 = 64 << 10;
/// How long somebody may take in the browser.
const BROWSER_TIMEOUT: Duration = Duration::from_secs(300);

/// Measures, identifies, asks, signs. Whatever is given on the command line is checked before the model is hashed; a
/// token that has to be fetched is fetched afterwards, because it lives for minutes only.
///
/// `prepare` measures, and says what will be signed.
pub fn sign<S: Sayable>(
    args: &SignIdentityArgs,
    output: &Output,
    prepare: impl FnOnce() -> Result<S, Failure>,
) -> Result<S::Written, Failure> {
    let trust = services::trust(&args.instance)?;
    let signing = services::signing(args)?;
    let client = services::client(&args.network)?;
    let given = given_token(&args.identity)?;
    if let Some(token) = &given {
        token.check(&args.identity.client_id, modelseal::now()).map_err(token_failure)?;
        // Asked now, so that nobody has to wait for a large model to be hashed.
        confirm(token.identity(), args.yes, output)?;
    } else {
        check_source(&args.identity, &signing)?;
    }
    let request = modelseal::keyless(prepare()?, signing.clone(), client.clone(), trust)?;
    let (token, asked) = match given {
        Some(token) => (token, true),
        None => (fetch(&args.identity, &signing, &client, output)?, false),
    };
    let signing = request.identify(token, &args.identity.client_id)?;
    if !asked {
        confirm(signing.identity(), args.yes, output)?;
    }
    Ok(signing.sign()?)
}

fn given_token(args: &IdentityArgs) -> Result<Option<IdentityToken>, Failure> {
    let text = if let Some(token) = &args.identity_token {
        Zeroizing::new(token.clone())
    } else if let Some(path) = &args.identity_token_file {
        read_token(path)?
    } else if args.use_ambient_credentials {
        return Ok(None);
    } else {
        match env::var(TOKEN_VARIABLE) {
            Ok(token) => Zeroizing::new(token),
            Err(_) => return Ok(None),
        }
    };
    IdentityToken::parse(&Secret::new(text.trim().to_owned())).map(Some).map_err(token_failure)
}

fn read_token(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(8192));
    let refuse = |e: &dyn std::fmt::Display| {
        Failure::usage("usage.identity-token", format_args!("cannot read the identity token: {e}"))
    };
    if path == Path::new("-") {
        io::stdin().lock().take(MAX_TOKEN_BYTES).read_to_end(&mut bytes).map_err(|e| refuse(&e))?;
    } else {
        bytes = files::read_small(path, "identity token")?;
    }
    let text = std::str::from_utf8(&bytes).map_err(|e| refuse(&e))?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn fetch(
    args: &IdentityArgs,
    services: &Services,
    client: &HttpClient,
    output: &Output,
) -> Result<IdentityToken, Failure> {
    let audience = &*args.client_id;
    let found =
        modelseal::detect_ambient(audience, &Environment::process(), client).map_err(source_failure)?;
    if let Some((provider, token)) = found {
        output.diagnostic(format_args!("identity token from {provider}"));
        return Ok(token);
    }
    let Some(issuer) = services.oidc() else {
        return Err(Failure::usage("usage.identity-token", NO_PROVIDER));
    };
    let secret = match (&args.client_secret, env::var(SECRET_VARIABLE)) {
        (Some(secret), _) => Some(Secret::new(secret.clone())),
        (None, Ok(secret)) => Some(Secret::new(secret)),
        (None, Err(_)) => None,
    };
    let flow = if args.oauth_force_oob { Flow::OutOfBand } else { Flow::Browser };
    let request = OAuth {
        issuer: issuer.clone(),
        client_id: audience.to_owned(),
        client_secret: secret,
        flow,
        timeout: BROWSER_TIMEOUT,
    };
    modelseal::authenticate(&request, &mut Terminal { output }, client, &modelseal::now)
        .map_err(source_failure)
}

/// Whether there will be a token: said before the model is hashed, not after.
fn check_source(args: &IdentityArgs, services: &Services) -> Result<(), Failure> {
    let problem = if Environment::process().provider().is_some() {
        return Ok(());
    } else if args.use_ambient_credentials {
        NO_AMBIENT
    } else if services.oidc().is_none() {
        NO_PROVIDER
    } else if !args.oauth_force_oob && !io::stderr().is_terminal() && !io::stdin().is_terminal() {
        NOBODY
    } else {
        return Ok(());
    };
    Err(Failure::usage("usage.identity-token", problem))
}

const NO_AMBIENT: &str = "this environment gives no identity token: none of the systems that do was recognised (GitHub \
    Actions, which needs `permissions: id-token: write`; GitLab, which needs SIGSTORE_ID_TOKEN under `id_tokens`; Google \
    Cloud; Buildkite; CircleCI)";
const NO_PROVIDER: &str =
    "this instance names no identity provider to sign in with; give a token with --identity-token-file";
const NOBODY: &str = "nobody can be asked to sign in, because this is no terminal; give a token with \
    --identity-token-file or --use-ambient-credentials, or sign with a key: modelseal sign key";

/// What is published cannot be taken back.
fn confirm(identity: &PublicIdentity, yes: bool, output: &Output) -> Result<(), Failure> {
    let (value, issuer) = (Printable(&identity.value), Printable(&identity.issuer));
    output.diagnostic(format_args!(
        "This signature will say publicly, and for ever, that it was made by '{value}' (vouched for by {issuer})."
    ));
    if yes || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(());
    }
    let asked = interrupt::Question::start();
    let _ = write!(io::stderr().lock(), "Go on? [y/N] ");
    let mut answer = String::new();
    let read = io::stdin().lock().take(64).read_line(&mut answer);
    drop(asked);
    if read.is_ok() && matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(Failure::usage("usage.not-confirmed", "not confirmed; nothing was sent and nothing was written"))
}

/// Somebody in front of a terminal.
struct Terminal<'a> {
    output: &'a Output,
}

impl Interaction for Terminal<'_> {
    fn open_browser(&mut self, url: &str) -> bool {
        modelseal::open_browser(url)
    }

    fn read_code(&mut self, url: &str) -> io::Result<Secret> {
        self.output.diagnostic(format_args!(
            "Open this address in a browser, sign in, and enter the code it shows:\n\n  {url}\n"
        ));
        if io::stdin().is_terminal() {
            return password::prompt("Code: ")
                .map(|code| Secret::new(code.trim().to_owned()))
                .map_err(|_| io::Error::other("no code was entered"));
        }
        let mut code = Zeroizing::new(String::with_capacity(4096));
        io::stdin().lock().take(4096).read_line(&mut code)?;
        Ok(Secret::new(code.trim().to_owned()))
    }

    fn waiting(&mut self, url: &str) {
        self.output.diagnostic(format_args!(
            "Waiting for you to sign in. If no browser has opened, open:\n\n  {url}\n"
        ));
    }
}

fn token_failure(e: modelseal::TokenError) -> Failure {
    Failure::from(modelseal::Error::Token(e))
}

fn source_failure(e: TokenSourceError) -> Failure {
    Failure { code: "error.service", ..Failure::io(e) }
}
