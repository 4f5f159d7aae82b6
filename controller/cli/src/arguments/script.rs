//! The words after `--`, made into the line that a shell on the node reads.

use shlex::Quoter;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ScriptError {
    #[error("the command has a NUL byte in it, which no shell can take")]
    Nul,
}

/// What reads the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prompt {
    Posix,
    PowerShell,
    /// The command prompt of Windows.
    Cmd,
}

impl Prompt {
    /// The document that runs lines of this shell.
    pub(crate) fn document(self) -> &'static str {
        match self {
            Self::Posix => "AWS-RunShellScript",
            Self::PowerShell => "AWS-RunPowerShellScript",
            Self::Cmd => "Fleetwright-RunCmdScript",
        }
    }

    /// One word is a line of script and stays as it is; several words are quoted, so that each arrives as it was
    /// typed.
    pub(crate) fn line(self, words: &[String]) -> Result<String, ScriptError> {
        match (words, self) {
            ([line], _) if line.contains('\0') => Err(ScriptError::Nul),
            ([line], _) => Ok(line.clone()),
            (_, Self::Posix) => {
                Quoter::new().join(words.iter().map(String::as_str)).map_err(|_| ScriptError::Nul)
            }
            (_, Self::PowerShell) => powershell(words),
            (_, Self::Cmd) => cmd(words),
        }
    }
}

/// `&` calls what a quoted word names; without it PowerShell would print the word.
fn powershell(words: &[String]) -> Result<String, ScriptError> {
    if words.iter().any(|word| word.contains('\0')) {
        return Err(ScriptError::Nul);
    }
    let is_plain = |word: &str| {
        !word.is_empty()
            && !word.starts_with('-')
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./\\:".contains(&byte))
    };
    // An unquoted word of the form -Name is a parameter, and has to stay one.
    let is_parameter = |word: &str| {
        word.strip_prefix('-').is_some_and(|name| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
    };
    let quoted = words.iter().enumerate().map(|(at, word)| {
        if is_plain(word) || (at > 0 && is_parameter(word)) {
            return word.clone();
        }
        let call = if at == 0 { "& " } else { "" };
        format!("{call}'{}'", word.replace('\'', "''"))
    });
    Ok(quoted.collect::<Vec<_>>().join(" "))
}

/// Quotes keep blanks and everything that the prompt would act on; they stay a part of the line, and the program that
/// it starts takes them away. No quoting keeps a variable from being filled in, so its sign is doubled.
fn cmd(words: &[String]) -> Result<String, ScriptError> {
    if words.iter().any(|word| word.contains('\0')) {
        return Err(ScriptError::Nul);
    }
    let is_plain = |word: &str| {
        !word.is_empty()
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./\\:=+@$#~[]{}?*".contains(&byte))
    };
    let quoted = words.iter().map(|word| {
        let word = word.replace('%', "%%");
        if is_plain(&word) { word } else { format!("\"{}\"", word.replace('"', "\"\"")) }
    });
    Ok(quoted.collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(shell: Prompt, words: &[&str], want: &str) {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(shell.line(&words).unwrap(), want, "{words:?}");
    }

    #[test]
    fn one_word_is_a_line_of_script() {
        check(Prompt::Posix, &["echo $HOME | wc -c"], "echo $HOME | wc -c");
        check(Prompt::PowerShell, &["Get-Process | Select -First 3"], "Get-Process | Select -First 3");
    }

    #[test]
    fn several_words_arrive_as_they_were_typed() {
        check(Prompt::Posix, &["uname", "-a"], "uname -a");
        check(Prompt::Posix, &["echo", "a b"], "echo 'a b'");
        check(Prompt::Posix, &["echo", "$HOME", "it's", ""], "echo '$HOME' \"it's\" ''");
        check(Prompt::PowerShell, &["Get-Process", "-Name", "a b"], "Get-Process -Name 'a b'");
        check(Prompt::Cmd, &["dir", "C:\\Program Files", "/b"], "dir \"C:\\Program Files\" /b");
        check(Prompt::Cmd, &["echo", "a&b", "100%", "a\"b"], "echo \"a&b\" \"100%%\" \"a\"\"b\"");
        check(
            Prompt::PowerShell,
            &["C:\\Program Files\\x.exe", "it's"],
            "& 'C:\\Program Files\\x.exe' 'it''s'",
        );
    }

    #[test]
    fn a_nul_byte_is_refused() {
        for shell in [Prompt::Posix, Prompt::PowerShell, Prompt::Cmd] {
            for words in [vec!["a\0".to_owned()], vec!["a".to_owned(), "\0".to_owned()]] {
                assert_eq!(shell.line(&words), Err(ScriptError::Nul));
            }
        }
    }

    /// What a real shell makes of the line is what was typed.
    #[cfg(unix)]
    #[test]
    fn a_real_shell_sees_the_words() {
        let words =
            ["printf", "%s\\n", "a b", "$HOME", "it's", "\"", "back\\slash", "*", "", "new\nline", "ü"];
        let line = Prompt::Posix.line(&words.map(str::to_owned)).unwrap();
        let output = std::process::Command::new("sh").arg("-c").arg(line).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), words[2..].join("\n") + "\n");
    }
}
