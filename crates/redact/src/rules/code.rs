//! Forges, registries of packages, builds, and tools of developers.

use crate::rule::Check::{Crc, Entropy};
use crate::rule::{Extent, Rule};

pub(super) static RULES: &[Rule] = &[
    Rule::pattern("github-token", &["ghp_", "gho_", "ghu_", "ghs_"], r"gh[pous]_[A-Za-z0-9]{36}\b")
        .check(Crc),
    Rule::pattern("github-token", &["ghr_"], r"ghr_[A-Za-z0-9]{36,80}\b"),
    Rule::pattern("github-token", &["ghs_"], r"ghs_[A-Za-z0-9_.-]{60,300}"),
    Rule::pattern("github-pat", &["github_pat_"], r"github_pat_\w{60,90}"),
    Rule::pattern(
        "gitlab-token",
        &[
            "glpat-", "gloas-", "glptt-", "glrt-", "glcbt-", "glft-", "glimt-", "glagent-", "glsoat-",
            "gldt-", "glffct-",
        ],
        r"gl(?:pat|oas|ptt|rt|cbt|ft|imt|agent|soat|dt|ffct)-[\w.=-]{20,120}",
    ),
    Rule::pattern("gitlab-token", &["gr1348941"], r"GR1348941[\w-]{20,40}"),
    Rule::pattern("bitbucket-token", &["atbb"], r"ATBB[A-Za-z0-9]{24,40}"),
    Rule::pattern("atlassian-token", &["atatt3", "atctt3"], r"AT(?:ATT|CTT)3[\w=-]{60,250}"),
    Rule::pattern("npm-token", &["npm_"], r"npm_[A-Za-z0-9]{36}\b").check(Crc),
    Rule::pattern("pypi-token", &["pypi-ageichlwas"], r"pypi-AgEIcHlwaS[\w-]{40,300}"),
    Rule::pattern("pypi-token", &["pypi-agendgvzdc5wexbp"], r"pypi-AgENdGVzdC5weXBp[\w-]{40,300}"),
    Rule::pattern("rubygems-token", &["rubygems_"], r"rubygems_[0-9a-f]{48}\b"),
    Rule::pattern("crates-token", &["cio"], r"cio[A-Za-z0-9]{32}\b").check(Entropy(380)),
    Rule::pattern("nuget-key", &["oy2"], r"oy2[a-z0-9]{43}\b"),
    Rule::pattern("docker-token", &["dckr_pat_", "dckr_oat_"], r"dckr_[po]at_[\w-]{24,60}"),
    Rule::pattern("clojars-token", &["clojars_"], r"(?i:clojars)_[0-9a-f]{60}\b"),
    Rule::pattern("artifactory-key", &["akc"], r"AKC[A-Za-z0-9]{50,90}"),
    Rule::pattern("artifactory-token", &["cmvmdgtu"], r"cmVmdGtu[A-Za-z0-9]{56}"),
    Rule::pattern("terraform-token", &[".atlasv1."], r"[A-Za-z0-9]{14}\.atlasv1\.[\w-]{60,80}").before(14),
    Rule::pattern("postman-key", &["pmak-"], r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}"),
    Rule::pattern("figma-token", &["figd_", "figdr_"], r"figdr?_[\w-]{36,60}"),
    Rule::pattern("figma-token", &["x-figma-token"], r"(?i:x-figma-token)\W{1,5}(\d{3,5}-[0-9a-f-]{36})")
        .extent(Extent::Line),
    Rule::pattern("linear-key", &["lin_api_", "lin_oauth_"], r"lin_(?:api|oauth)_[A-Za-z0-9]{32,80}"),
    Rule::pattern("notion-token", &["ntn_"], r"ntn_[A-Za-z0-9]{40,60}"),
    Rule::pattern("notion-token", &["secret_"], r"secret_[A-Za-z0-9]{43}\b").check(Entropy(400)),
    Rule::pattern("circleci-token", &["ccipat_", "ccipr_"], r"CCIP(?:AT|RJ)_\w{40,90}"),
    Rule::pattern("buildkite-token", &["bkua_", "bkat_"], r"bk[ua][at]_[0-9a-zA-Z]{36,64}"),
    Rule::pattern("sonar-token", &["squ_", "sqp_", "sqa_"], r"sq[upa]_[0-9a-f]{40}\b"),
    Rule::pattern(
        "sonar-token",
        &["sonar"],
        r#"(?i:sonar[._-]?(?:login|token))['")\],:= ]{1,8}([0-9a-f]{40})\b"#,
    )
    .record_only()
    .extent(Extent::Line),
    Rule::pattern("snyk-token", &["snyk_"], r"snyk_[a-z]{2,4}\.[\w.-]{20,200}"),
    Rule::pattern("sourcegraph-token", &["sgp_"], r"sgp_(?:(?:[0-9a-f]{16}|local)_)?[0-9a-fA-F]{40,64}\b"),
    Rule::pattern("netlify-token", &["nfp_", "nfc_"], r"nf[pc]_[A-Za-z0-9]{36,50}"),
    Rule::pattern(
        "doppler-token",
        &["dp.pt.", "dp.ct.", "dp.st.", "dp.sa.", "dp.scim.", "dp.audit."],
        r"dp\.(?:pt|ct|st|sa|scim|audit)\.(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{40,44}\b",
    ),
    Rule::pattern("infisical-token", &["st."], r"st\.[0-9a-f]{8}-[0-9a-f-]{27}\.[0-9a-f]{32}\.[0-9a-f]{32}"),
    Rule::pattern("pulumi-token", &["pul-"], r"pul-[0-9a-f]{40}\b"),
    Rule::pattern(
        "jenkins-password",
        &["initialadminpassword"],
        r"\b([0-9a-f]{32})\s[\s\S]{0,80}initialAdminPassword",
    )
    .before(120)
    .record_only()
    .extent(Extent::Block),
    Rule::pattern("dependency-track-key", &["odt_"], r"odt_[A-Za-z0-9]{32,40}\b"),
    Rule::pattern("readme-key", &["rdme_"], r"rdme_[a-z0-9]{60,80}"),
    Rule::pattern("scalingo-token", &["tk-us-"], r"tk-us-[\w-]{48}"),
    Rule::pattern("stackhawk-key", &["hawk."], r"hawk\.[\w-]{20}\.[\w-]{20}"),
    Rule::pattern(
        "teamcity-password",
        &["eyj0exaioiaivenwmij9"],
        r"eyJ0eXAiOiAiVENWMiJ9\.[\w-]{20,60}\.[\w-]{40,80}",
    ),
];
