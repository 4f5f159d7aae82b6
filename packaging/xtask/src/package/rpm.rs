//! Packages for systems with rpm.

use std::fs;

use anyhow::{Context, Result};
use rpm::{BuildConfig, CompressionType, Dependency, FileOptions, PackageBuilder};

use super::contents::{Kind, Parts};
use crate::run;

/// Its file name and its bytes.
pub(super) fn package(parts: &Parts) -> Result<(String, Vec<u8>)> {
    let (product, machine) = (parts.product, parts.elf.machine.name());
    let name = product.name();
    let mut builder = PackageBuilder::new(name, &parts.version, "Apache-2.0", machine, product.summary());
    builder
        .using_config(BuildConfig::default().compression(CompressionType::Gzip).source_date(0_u32))
        .release(parts.revision.to_string())
        .description(product.description())
        .requires(Dependency::any("systemd"))
        .post_install_script(script(name, "post")?)
        .pre_uninstall_script(script(name, "preun")?)
        .post_uninstall_script(script(name, "postun")?);
    if let Some((major, minor)) = parts.elf.glibc {
        builder
            .requires(Dependency::any(format!("libc.so.6(GLIBC_{major}.{minor})(64bit)")))
            .requires(Dependency::any("libgcc_s.so.1()(64bit)"));
    }
    for file in &parts.files {
        // Zsh looks for them elsewhere than on Debian.
        let path = file.path.replace("/zsh/vendor-completions/", "/zsh/site-functions/");
        let mode = u16::try_from(file.mode).context("a mode of a file")?;
        let options = FileOptions::new(path).permissions(mode);
        let options = match file.kind {
            Kind::Configuration => options.config().noreplace(),
            Kind::Manual => options.doc(),
            Kind::Program | Kind::Plain => options,
        };
        builder
            .with_file_contents(file.content.clone(), options)
            .with_context(|| format!("cannot add {}", file.path))?;
    }
    let mut bytes = Vec::new();
    let package = builder.build().context("cannot write the package")?;
    package.write(&mut bytes).context("cannot write the package")?;
    Ok((format!("{name}-{}-{}.{machine}.rpm", parts.version, parts.revision), bytes))
}

fn script(name: &str, script: &str) -> Result<String> {
    let path = run::root().join(format!("packaging/linux/rpm/{name}.{script}"));
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}
