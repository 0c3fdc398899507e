//! Files that appear under their name whole, durably, or not at all (rename of POSIX.1; a name is durable when
//! its directory is synchronized).

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

/// What a file is called until it is whole; such names are nobody else's business.
pub const TEMPORARY_PREFIX: &str = ".tmp-";

fn temporary(name: &str) -> String {
    format!("{TEMPORARY_PREFIX}{name}")
}

/// Makes an empty file that has its name only when it is published. Whoever else may write in the directory
/// cannot have it be another file.
///
/// # Errors
/// Those of the operating system.
pub fn create(directory: &Path, name: &str) -> io::Result<File> {
    let path = directory.join(temporary(name));
    remove(&path)?;
    File::options().write(true).create_new(true).open(path)
}

/// Opens a file that others have written: a regular one, which is no link to what only we may read, nor a
/// pipe to wait for.
///
/// # Errors
/// Those of the operating system; `InvalidInput` where it is something else.
pub fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = File::options().read(true).custom_flags(flags.bits() as i32).open(path);
    let no_file = || io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file");
    match file {
        Ok(file) if file.metadata()?.is_file() => Ok(file),
        Ok(_) => Err(no_file()),
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => Err(no_file()),
        Err(error) => Err(error),
    }
}

/// Gives a file that is whole and durable its name, in place of any other of that name. The name is durable
/// after [`sync`].
///
/// # Errors
/// Those of the operating system.
pub fn publish(directory: &Path, name: &str) -> io::Result<()> {
    fs::rename(directory.join(temporary(name)), directory.join(name))
}

/// Forgets a file that was created and not published.
pub fn discard(directory: &Path, name: &str) {
    // What is left is removed at the next start.
    let _ = fs::remove_file(directory.join(temporary(name)));
}

/// Creates a small file with these octets, durable but for its name.
///
/// # Errors
/// Those of the operating system.
pub fn write(directory: &Path, name: &str, octets: &[u8]) -> io::Result<()> {
    let mut file = create(directory, name)?;
    file.write_all(octets)?;
    file.sync_all()
}

/// Makes the names in a directory durable.
///
/// # Errors
/// Those of the operating system.
pub fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Makes a directory where there is none, and removes what an earlier run did not publish.
///
/// # Errors
/// Those of the operating system.
pub fn prepare(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(TEMPORARY_PREFIX) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Removes a file, if it is there.
///
/// # Errors
/// Those of the operating system, but that there is none.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_its_name_only_when_it_is_published() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("out");
        prepare(&directory).unwrap();
        write(&directory, "a", b"first").unwrap();
        assert!(!directory.join("a").exists());
        publish(&directory, "a").unwrap();
        sync(&directory).unwrap();
        write(&directory, "a", b"second").unwrap();
        assert_eq!(fs::read(directory.join("a")).unwrap(), b"first");
        publish(&directory, "a").unwrap();
        assert_eq!(fs::read(directory.join("a")).unwrap(), b"second");
        write(&directory, "b", b"").unwrap();
        prepare(&directory).unwrap();
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
        remove(&directory.join("a")).unwrap();
        remove(&directory.join("a")).unwrap();
        assert!(publish(&directory, "b").is_err());
    }

    #[test]
    fn links_and_pipes_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (secret, link) = (folder.path().join("secret"), folder.path().join("link"));
        fs::write(&secret, b"secret").unwrap();
        std::os::unix::fs::symlink(&secret, &link).unwrap();
        assert_eq!(open(&link).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(open(folder.path()).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert!(open(&secret).is_ok());
        std::os::unix::fs::symlink(&secret, folder.path().join(".tmp-out")).unwrap();
        write(folder.path(), "out", b"message").unwrap();
        assert_eq!(fs::read(&secret).unwrap(), b"secret");
    }
}
