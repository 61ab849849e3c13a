//! Disks, partitions and file systems as a whole.

use super::super::call::Call;
use super::super::fact::Fact;
use super::files::is_device;

/// Programs that destroy what is on the device that they are given, and what they do to it.
const DESTROYERS: &[(&str, &str)] = &[
    ("bcachefs", "is formatted"),
    ("blkdiscard", "is discarded"),
    ("mkswap", "is formatted"),
    ("nwipe", "is overwritten"),
    ("pvremove", "loses its volumes"),
    ("wipefs", "loses its signatures"),
    ("zpool", "loses its pool"),
    ("cryptsetup", "is formatted"),
    ("fdisk", "is partitioned"),
    ("sfdisk", "is partitioned"),
    ("cfdisk", "is partitioned"),
    ("gdisk", "is partitioned"),
    ("sgdisk", "is partitioned"),
    ("parted", "is partitioned"),
    ("lvremove", "is removed"),
    ("vgremove", "is removed"),
    ("mdadm", "loses its array"),
    ("hdparm", "is erased"),
    ("nvme", "is erased"),
    ("diskutil", "is erased"),
    ("newfs", "is formatted"),
    ("format", "is formatted"),
];

pub(super) fn facts(call: &mut Call<'_>) -> bool {
    if call.name == "dd" {
        dd(call);
        return true;
    }
    if call.name.starts_with("mkfs") || call.name == "mke2fs" || call.name == "newfs" {
        destroy(call, "is formatted", true);
        return true;
    }
    let Some((_, act)) = DESTROYERS.iter().find(|(name, _)| *name == call.name) else { return false };
    let really = match call.name {
        "wipefs" => call.switch('a', "all") || call.switch('o', "offset"),
        "cryptsetup" => call.any(&["luksFormat", "erase", "luksErase"]),
        "zpool" => call.any(&["destroy", "labelclear"]),
        "bcachefs" => call.has("format"),
        "mdadm" => call.any(&["--zero-superblock", "--stop"]),
        "hdparm" => {
            call.texts().any(|text| text.starts_with("--security-erase") || text.starts_with("--trim"))
        }
        "nvme" => call.any(&["format", "sanitize"]),
        "diskutil" => call.texts().any(|text| {
            text.starts_with("erase")
                || text.starts_with("partition")
                || text == "zeroDisk"
                || text == "secureErase"
        }),
        "fdisk" | "gdisk" => {
            !call.switch('l', "list") && (call.stdin.text.is_some() || !call.stdin.from.is_empty())
        }
        "sfdisk" => !call.any(&["-l", "--list", "-d", "--dump"]),
        "sgdisk" => {
            call.any(&["-Z", "--zap-all", "-o", "--clear", "-z", "--zap"]) || call.switch('d', "delete")
        }
        "parted" => call.any(&["mklabel", "rm", "mkpart", "mktable"]),
        "cfdisk" => false,
        "format" => call.arg(0).ends_with(':'),
        _ => true,
    };
    if really {
        destroy(call, act, !matches!(call.name, "diskutil" | "lvremove" | "vgremove" | "zpool" | "format"));
    }
    true
}

fn destroy(call: &mut Call<'_>, act: &'static str, devices: bool) {
    let mut found = false;
    for word in call.args.iter().rev() {
        let path = call.path(&word.text);
        if is_device(path.raw()) {
            call.say(Fact::Device { path, act });
            found = true;
        }
    }
    if !found && !devices {
        let name = call.args.last().map_or("", |word| word.text.as_str());
        let path = call.path(name);
        call.say(Fact::Device { path, act });
    }
}

fn dd(call: &mut Call<'_>) {
    for text in call.texts() {
        if let Some(file) = text.strip_prefix("if=") {
            call.reads(file, false);
        }
        if let Some(file) = text.strip_prefix("of=") {
            let path = call.path(file);
            if is_device(path.raw()) {
                call.say(Fact::Device { path, act: "is overwritten" });
            } else {
                call.writes(file, false);
            }
        }
    }
}
