//! Each rule on one example of what it masks and one of what it must leave.
//!
//! The examples are templates, so that no scanner takes this file for a leak: `{x32}` stands for 32 random hex digits, and so
//! on (see [`fill`]). What stands between `⟦` and `⟧` is the secret.

use std::ops::Range;

use super::all;
use crate::rule::{LOOK_BEHIND, Live, Rule};
use crate::{Level, checksum};

/// Type, what is masked, what is left.
const ROWS: &[(&str, &str, &str)] = &[
    ("anthropic-key", "key ⟦sk-ant-api03-{W93}⟧ end", "sk-ant-{w8}"),
    ("openrouter-key", "⟦sk-or-v1-{x64}⟧", "sk-or-{w9}"),
    ("langfuse-key", "⟦sk-lf-{x8}-{x4}-{x4}-{x4}-{x12}⟧", "sk-lf-{x8}-x"),
    ("openai-key", "\"⟦sk-proj-{W120}⟧\"", "sk-proj-ect"),
    ("sk-key", "OPENAI=⟦sk-{w48}⟧", "the risk-{w30} and sk-learn"),
    ("google-key", "⟦AIza{w35}⟧", "AIza{w20}"),
    ("google-key", "⟦AQ.Ab8{w50}⟧", "AQ.Ab8"),
    ("google-oauth", "⟦ya29.{w60}⟧", "ya29.x"),
    ("google-oauth", "⟦GOCSPX-{w28}⟧", "GOCSPX-short"),
    ("google-refresh", "⟦1//0{W60}⟧", "http://h/1//0abc"),
    ("groq-key", "⟦gsk_{w52}⟧", "gsk_abc"),
    ("xai-key", "⟦xai-{w80}⟧", "xai-org"),
    ("huggingface-token", "⟦hf_{w34}⟧", "hf_hub_download"),
    ("huggingface-token", "⟦api_org_{w34}⟧", "api_org_name"),
    ("replicate-token", "⟦r8_{w37}⟧", "r8_unorm"),
    ("perplexity-key", "⟦pplx-{w48}⟧", "pplx-70b-online"),
    ("together-key", "⟦tgp_v1_{W43}⟧", "tgp_v1_x"),
    ("fireworks-key", "⟦fw_{w24}⟧", "fw_version_number_of_device"),
    ("cerebras-key", "⟦csk-{l48}⟧", "csk-1"),
    ("nvidia-key", "⟦nvapi-{w64}⟧", "nvapi-x"),
    ("voyage-key", "⟦pa-{w43}⟧", "pa-{a9}"),
    ("jina-key", "⟦jina_{l32}{w28}⟧", "jina_embeddings"),
    ("tavily-key", "⟦tvly-dev-{w32}⟧", "tvly-dev"),
    ("firecrawl-key", "⟦fc-{x32}⟧", "fc-{x33}"),
    ("elevenlabs-key", "⟦sk_{x48}⟧", "sk_buff_head"),
    ("langsmith-key", "⟦lsv2_pt_{x32}_{x10}⟧", "lsv2_pt_{x8}"),
    ("cursor-key", "⟦crsr_{x64}⟧", "crsr_{x8}"),
    ("pinecone-key", "⟦pcsk_{w60}⟧", "pcsk_x"),
    ("wandb-key", "⟦wandb_v1_{w60}⟧", "wandb_v1_x"),
    ("vercel-key", "⟦vck_{w56}⟧", "vck_x"),
    ("anyscale-key", "⟦esecret_{w28}⟧", "esecret_x"),
    ("github-token", "⟦ghp_{crc}⟧", "ghp_{w20}"),
    ("github-token", "⟦ghr_{w76}⟧", "ghr_{w20}"),
    ("github-token", "⟦ghs_{w40}.{w60}.{w40}⟧", "ghs_{w20}"),
    ("github-pat", "⟦github_pat_{w22}_{w59}⟧", "github_pat_{w22}"),
    ("gitlab-token", "⟦glpat-{w20}⟧", "glpat-x"),
    ("gitlab-token", "⟦GR1348941{w20}⟧", "GR1348941"),
    ("bitbucket-token", "⟦ATBB{w32}⟧", "ATBB"),
    ("atlassian-token", "⟦ATATT3xFfGF0{w170}={x8}⟧", "ATATT3x"),
    ("npm-token", "⟦npm_{crc}⟧", "npm_config_registry"),
    ("pypi-token", "⟦pypi-AgEIcHlwaS5vcmc{w120}⟧", "pypi-AgEIcHlwaS5vcmc"),
    ("pypi-token", "⟦pypi-AgENdGVzdC5weXBpLm9yZw{w120}⟧", "pypi-AgENdGVzdC5weXBp"),
    ("rubygems-token", "⟦rubygems_{x48}⟧", "rubygems_mfa_required"),
    ("crates-token", "⟦cio{w32}⟧", "precious"),
    ("nuget-key", "⟦oy2{l43}⟧", "oy2"),
    ("docker-token", "⟦dckr_pat_{W27}⟧", "dckr_pat_"),
    ("clojars-token", "⟦CLOJARS_{x60}⟧", "CLOJARS_USERNAME"),
    ("artifactory-key", "⟦AKC{w70}⟧", "AKC"),
    ("artifactory-token", "⟦cmVmdGtu{w56}⟧", "cmVmdGtu"),
    ("terraform-token", "⟦{w14}.atlasv1.{w67}⟧", "x.atlasv1.y"),
    ("postman-key", "⟦PMAK-{x24}-{x34}⟧", "PMAK-{x24}"),
    ("figma-token", "⟦figd_{w40}⟧", "figd_x"),
    ("figma-token", "X-Figma-Token: ⟦1394-{x8}-{x4}-{x4}-{x4}-{x12}⟧", "X-Figma-Token: none"),
    ("linear-key", "⟦lin_api_{w40}⟧", "lin_api_x"),
    ("notion-token", "⟦ntn_{w46}⟧", "ntn_x"),
    ("notion-token", "⟦secret_{w43}⟧", "secret_access_key_of_a_user"),
    ("circleci-token", "⟦CCIPAT_{w22}_{x40}⟧", "CCIPAT_x"),
    ("buildkite-token", "⟦bkua_{x40}⟧", "bkua_x"),
    ("sonar-token", "⟦squ_{x40}⟧", "squ_x"),
    ("sonar-token", "-Dsonar.login=⟦{x40}⟧", "sonarqube-scanner-2.5.0.tgz#{x40}"),
    ("snyk-token", "⟦snyk_uat.{w8}.{w60}⟧", "snyk_test"),
    ("sourcegraph-token", "⟦sgp_{x16}_{x40}⟧", "sgp_x"),
    ("netlify-token", "⟦nfp_{w40}⟧", "nfp_x"),
    ("doppler-token", "⟦dp.st.dev.{w43}⟧", "dp.st.dev"),
    ("infisical-token", "⟦st.{x8}-{x4}-{x4}-{x4}-{x12}.{x32}.{x32}⟧", "first. st.text"),
    ("pulumi-token", "⟦pul-{x40}⟧", "pul-l"),
    (
        "jenkins-password",
        "use:\n\n⟦{x32}⟧\n\nalso at: /var/jenkins_home/secrets/initialAdminPassword",
        "cat secrets/initialAdminPassword",
    ),
    ("dependency-track-key", "⟦odt_{w32}⟧", "odt_x"),
    ("readme-key", "⟦rdme_{l70}⟧", "rdme_x"),
    ("scalingo-token", "⟦tk-us-{w48}⟧", "tk-us-x"),
    ("stackhawk-key", "⟦hawk.{w20}.{w20}⟧", "hawk.py"),
    ("teamcity-password", "⟦eyJ0eXAiOiAiVENWMiJ9.{w30}.{w48}⟧", "eyJ0eXAiOiAiVENWMiJ9.x"),
    ("aws-access-key", "⟦AKIA{A16}⟧", "AKIA{A12}EXAMPLE AKIA{a16} ASIAN"),
    ("aws-secret-key", "aws_secret_access_key = \"⟦{b40}⟧\"", "aws_secret_access_key = \"{b39}\""),
    ("aws-secret-key", "AWS Access Key: x secret key:⟦{w40}⟧", "secret key: {a12}"),
    ("aws-bedrock-key", "⟦ABSK{b128}⟧", "ABSK"),
    ("aws-bedrock-key", "⟦bedrock-api-key-{b300}⟧", "bedrock-api-key-x"),
    ("aws-mws-token", "⟦amzn.mws.{x8}-{x4}-{x4}-{x4}-{x12}⟧", "amzn.mws.x"),
    ("aws-appsync-key", "⟦da2-{l26}⟧", "da2-x"),
    ("azure-key", "AccountName=x;AccountKey=⟦{b86}==⟧;E=1", "AccountKey=<key>;"),
    ("azure-key", "SharedAccessKey=⟦{b43}=⟧", "SharedAccessKey=x"),
    (
        "azure-key",
        "Endpoint=https://x.azconfig.io;Id=ab-c0-s0:{w20};Secret=⟦{b43}=⟧",
        "https://x.azconfig.io;Id={w20};Secret=x",
    ),
    ("azure-key", "⟦{w52}JQQJ99{w26}⟧", "JQQJ99{w26}"),
    ("azure-devops-token", "⟦{w76}AZDO{w4}⟧", "{w70}AZDO{w4}"),
    ("azure-function-key", "⟦{w44}AzFu{w5}==⟧", "AzFu{w9}"),
    ("azure-client-secret", "⟦{w3}8Q~{w34}⟧", "8Q~"),
    ("azure-sas", "https://x.blob/y?sv=2020&sig=⟦{w43}%3D⟧", "?sig={w9}"),
    ("digitalocean-token", "⟦dop_v1_{x64}⟧", "dop_v1_{x63}"),
    ("heroku-key", "⟦HRKU-{x8}-{x4}-{x4}-{x4}-{x12}⟧", "HRKU-x"),
    ("cloudflare-key", "⟦v1.0-{x24}-{x146}⟧", "v1.0-beta"),
    ("cloudflare-key", "⟦cfut_{w48}⟧", "cfut_x"),
    ("alibaba-key", "⟦LTAI{w20}⟧", "LTAI"),
    ("tencent-key", "⟦AKID{w32}⟧", "AKID"),
    ("yandex-key", "⟦AQVN{w36}⟧", "AQVN"),
    ("yandex-key", "⟦t1.{W60}.{W86}⟧", "t1.micro"),
    ("fly-token", "⟦FlyV1 fm2_{b200}⟧", "FlyV1"),
    ("fly-token", "⟦fo1_{w43}⟧", "fo1_x"),
    ("supabase-key", "⟦sbp_{x40}⟧", "sbp_x"),
    ("supabase-key", "⟦sb_secret_{w31}⟧", "sb_publishable_{w31}"),
    ("planetscale-token", "⟦pscale_tkn_{w43}⟧", "pscale_tkn_"),
    ("neon-key", "⟦napi_{l64}⟧", "napi_x"),
    ("render-key", "⟦rnd_{w32}⟧", "rnd_state"),
    ("vault-token", "⟦hvs.{w90}⟧", "hvs.x"),
    ("vault-token", "VAULT_TOKEN=⟦s.{w24}⟧", "VAULT_TOKEN=s.x"),
    ("vault-unseal-key", "Unseal Key 2: ⟦{w44}⟧", "Unseal Key 2: none"),
    ("1password-token", "⟦ops_eyJ{w300}⟧", "ops_eyJ"),
    ("1password-key", "⟦A3-{A6}-{A6}-{A5}-{A5}-{A5}-{A5}⟧", "A3-{A6}"),
    ("tailscale-key", "⟦tskey-auth-{w16}-{w32}⟧", "tskey-auth"),
    ("age-key", "⟦AGE-SECRET-KEY-1{A58}⟧", "AGE-SECRET-KEY-1"),
    ("databricks-token", "⟦dapi{x32}-2⟧", "dapiDataGetTopLongShortPositionRatio"),
    ("kubernetes-token", "--tls-bootstrap-token ⟦{l6}.{l16}⟧", "bootstrap-token {l6}.{l9}"),
    ("confluent-secret", "⟦cflt{b60}⟧", "cflt"),
    ("ngrok-token", "ngrok config add-authtoken: ⟦{w27}_{w21}⟧", "ngrok http 80"),
    ("slack-token", "⟦xoxb-{d12}-{d12}-{w24}⟧", "xoxb-x"),
    ("slack-token", "⟦xoxe.xoxp-1-{w140}⟧", "xoxe.x"),
    ("slack-token", "⟦xapp-1-{A11}-{d13}-{x64}⟧", "xapp-x"),
    (
        "slack-webhook",
        "https://hooks.slack.com/services/⟦T{A8}/B{A8}/{w24}⟧",
        "https://hooks.slack.com/services/x",
    ),
    ("discord-webhook", "https://discord.com/api/webhooks/{d18}/⟦{w68}⟧", "/api/webhooks/{d18}/x"),
    ("discord-token", "discord.login: ⟦MT{w24}.{w6}.{w38}⟧", "discord.py 2.3.2"),
    (
        "teams-webhook",
        "https://x.webhook.office.com/webhookb2/y/IncomingWebhook/⟦{x32}/{x8}-{x4}-{x4}-{x4}-{x12}⟧",
        "/IncomingWebhook/x",
    ),
    ("telegram-token", "bot⟦{d10}:AA{w33}⟧", "12:AA{w33} {d10}:AA{w9}"),
    ("twitch-key", "⟦live_{d9}_{w30}⟧", "live_{d9}_{w8}"),
    ("stripe-key", "⟦sk_live_{w24}⟧", "pk_live_{w24} sk_live_x"),
    ("stripe-webhook-secret", "⟦whsec_{w32}⟧", "whsec_x"),
    ("square-token", "⟦sq0atp-{w22}⟧", "sq0idp-{w22}"),
    ("square-token", "⟦EAAA{w60}⟧", "EAAA{w9}"),
    ("facebook-token", "⟦EAACEdEose0cBA{w120}⟧", "EAACEdEose0cBA"),
    ("facebook-token", "⟦EAAC{w140}⟧", "EAAC{w9}"),
    ("shopify-token", "⟦shpat_{x32}⟧", "shpat_{x31}"),
    ("braintree-token", "⟦access_token$production${l16}${x32}⟧", "access_token$production$x"),
    ("paypal-token", "⟦A21AA{w90}⟧", "A21AA"),
    ("plaid-token", "⟦access-sandbox-{x8}-{x4}-{x4}-{x4}-{x12}⟧", "access-sandbox-x"),
    ("easypost-key", "⟦EZAK{w54}⟧", "EZAK"),
    ("flutterwave-key", "⟦FLWSECK_TEST-{x32}-X⟧", "FLWSECK"),
    ("sendgrid-key", "⟦SG.{w22}.{w43}⟧", "msg.text SG.x"),
    ("mailgun-key", "⟦key-{x32}⟧", "key-{x31} key-value"),
    ("mailchimp-key", "⟦{x32}-us13⟧", "{x31}-us13 {x32}-user"),
    ("brevo-key", "⟦xkeysib-{x64}-{w16}⟧", "xkeysib-x"),
    ("resend-key", "⟦re_{w8}_{w24}⟧", "re_compile_pattern_of_words"),
    ("postmark-token", "postmarkApiToken: '⟦{x8}-{x4}-{x4}-{x4}-{x12}⟧'", "postmark: 'x'"),
    ("twilio-key", "⟦SK{x32}⟧", "asked ska SK{x31}"),
    ("hubspot-token", "⟦pat-na1-{x8}-{x4}-{x4}-{x4}-{x12}⟧", "pat-na1"),
    ("airtable-token", "⟦pat{w14}.{x64}⟧", "path.join pattern.x"),
    ("contentful-token", "⟦CFPAT-{w43}⟧", "CFPAT-x"),
    ("dropbox-token", "⟦sl.{w140}⟧", "sl.x utils.y"),
    ("frameio-token", "⟦fio-u-{w64}⟧", "fio-u-x"),
    ("mapbox-token", "⟦sk.eyJ{w80}.{w22}⟧", "pk.eyJ{w80}.{w22}"),
    ("salesforce-token", "⟦00D{w12}!{w96}⟧", "00D{w12}"),
    ("typeform-token", "⟦tfp_{w59}⟧", "tfp_x"),
    ("segment-token", "⟦sgp_{w64}⟧", "sgp_{w63}"),
    ("firebase-key", "⟦AAAA{w7}:APA91b{w134}⟧", "AAAA{w7}:x"),
    ("launchdarkly-key", "⟦sdk-{x8}-{x4}-4{x3}-{x4}-{x12}⟧", "api-{x8}"),
    ("adafruit-key", "⟦aio_{w28}⟧", "aio_read"),
    ("adobe-secret", "⟦p8e-{w32}⟧", "p8e-x"),
    ("kagi-key", "⟦{w8}iQc.{w43}⟧", "iQc."),
    ("sentry-token", "⟦sntrys_{w120}⟧", "sntrys_x"),
    ("sentry-dsn", "https://⟦{x32}⟧@o12345.ingest.sentry.io/1", "https://x@o1.ingest.sentry.io/1"),
    ("newrelic-key", "⟦NRAK-{A27}⟧", "NRAK-x"),
    ("newrelic-key", "⟦{x36}NRAL⟧", "MINERAL"),
    ("newrelic-key", "⟦px-api-{x8}-{x4}-{x4}-{x4}-{x12}⟧", "px-api-x"),
    ("grafana-token", "⟦glsa_{w32}_{x8}⟧", "glsa_x"),
    ("grafana-token", "⟦eyJrIjoi{w70}⟧", "eyJrIjoi"),
    ("dynatrace-token", "⟦dt0c01.{A24}.{A64}⟧", "dt0c01.x"),
    ("honeycomb-key", "⟦hcaik_{l58}⟧", "hcaik_x"),
    ("posthog-key", "⟦phx_{w43}⟧", "phc_{w43}"),
    ("datadog-key", "DD_API_KEY=⟦{x32}⟧", "DD_API_KEY={x31} add_api_key"),
    ("okta-token", "Authorization: SSWS ⟦00{w40}⟧", "okta: 00{w41}"),
    ("blynk-secret", "oa2-client-id_{w32}:⟦{w40}⟧", "oa2-client-id_{w32}"),
    (
        "thingsboard-token",
        "https://thingsboard.cloud/api/v1/⟦{l20}⟧/telemetry",
        "https://thingsboard.cloud/api/v1/x/telemetry",
    ),
    (
        "truenas-key",
        r#""auth.login_with_api_key", "params": ["⟦8-{w64}⟧"]"#,
        r#""auth.login_with_api_key", "params": []"#,
    ),
    ("truenas-key", "Bearer ⟦8-{w64}⟧", "Bearer 8-x"),
    ("intercom-token", "⟦dG9r{w56}⟧", "dG9r"),
    (
        "private-key",
        "⟦-----BEGIN {_}RSA PRIVATE KEY-----\n{b64}\n{b64}\n-----END RSA {_}PRIVATE KEY-----⟧\n",
        "-----BEGIN PUBLIC KEY-----\n{b64}\n-----END PUBLIC KEY-----",
    ),
    ("private-key", "Private-Lines: 2⟦\n{b64}\n{b64}⟧\nPrivate-MAC: {x40}", "Private-Lines: 14\nnone"),
    ("private-key", "KEY=⟦LS0tLS1CRUdJTi{b400}⟧", "LS0tLS1CRUdJTi"),
    ("jwt", "x=⟦eyJhbGciOiJIUzI1NiJ9.eyJ{w40}.{W43}⟧;", "eyJhbGciOiJIUzI1NiJ9 eyJ.eyJ"),
    ("url-password", "postgres://user:⟦{w12}⟧@host:5432/db", "http://host:8080/a@b postgres://u:$PASSWORD@h"),
    (
        "url-secret",
        "https://h/x?a=1&access_token=⟦{w40}⟧&b=2",
        "https://h/x?page=2&key=name sort(key=lambda x: x)",
    ),
    ("authorization", "Authorization: Basic ⟦{w24}==⟧", "Authorization: required\nauthorization is hard"),
    ("bearer", "use Bearer ⟦{w32}⟧ here", "Bearer token bearer of news"),
    ("cookie", "Cookie: ⟦session={w32}; theme=dark⟧\r\n", "the cookie: chocolate = good\nCookie: none"),
    ("password-hash", "admin:⟦$apr1${w8}${w22}⟧", "costs $5$ or $6$"),
    ("pgpass", "localhost:5432:db:root:⟦{w12}⟧\n", "localhost:5432:db"),
    ("flag-password", "curl -u user:⟦{w12}⟧ https://h", "curl -u $USER:$PASS sort -u file:"),
    ("flag-password", "PSEXEC \\\\10.0.0.1 -u Admin -p ⟦{w10}⟧ CMD", "psexec \\\\h -u a -p %PASS% cmd"),
    (
        "login-password",
        "new NetworkCredential(\"user\", \"⟦{w12}⟧\")",
        "new NetworkCredential(user, password)",
    ),
    ("login-password", "conn.login('me@h', '⟦{w12}⟧', f)", "conn.login(user, password)"),
    (
        "password",
        "DB_PASSWORD=⟦hunter{d2}⟧\n",
        "password = request.form['x']\nbypass = \"{w9}\"\npassword: str = None",
    ),
    ("secret", "client_secret: \"⟦{w24}⟧\"", "secret: process.env.SECRET\nsecret = config.secret"),
    ("api-key", "\"api_key\": \"⟦{x32}⟧\"", "\"api_key\": \"<your key>\" api_key=api_key)"),
    (
        "token",
        "oauth_token: \"⟦{x40}⟧\"",
        "max_tokens: 4096, \"next_page_token\": \"{w32}\" tokenizer = \"{w20}\"",
    ),
    ("auth", "\"auth\": \"⟦{w40}==⟧\"", "\"auth\": \"required\" \"authors\": \"{w20}\""),
    ("key", "NONCE_KEY: '⟦{w40}⟧'", "public_key: '{w40}' keyboard: '{w40}' key: 'name'"),
];

#[test]
fn every_rule_masks_its_example_exactly_and_leaves_the_other() {
    let mut random = Random(42);
    let rows: Vec<_> = ROWS
        .iter()
        .map(|(name, yes, no)| {
            let yes = fill(yes, &mut random);
            let (before, rest) = yes.split_once('⟦').unwrap();
            let (secret, after) = rest.split_once('⟧').unwrap();
            (*name, format!("{before}{secret}{after}"), secret.to_owned(), fill(no, &mut random))
        })
        .collect();
    let mut wrong = Vec::new();
    for rule in all() {
        let mut examples = 0;
        for (_, yes, secret, no) in rows.iter().filter(|(name, ..)| *name == rule.name) {
            let found = alone(rule, yes);
            examples += usize::from(found.iter().any(|range| yes[range.clone()] == **secret));
            if let Some(taken) = alone(rule, no).first() {
                wrong.push(format!("{} takes {:?} of {no:?}", rule.name, &no[taken.clone()]));
            }
        }
        if examples == 0 {
            wrong.push(format!("{} ({:?}) masks no example exactly", rule.name, rule.words));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(rows.iter().all(|(name, ..)| all().any(|rule| rule.name == *name)));
}

#[test]
fn the_documentation_lists_every_type() {
    let page = include_str!("../../../../docs/redaction.md");
    let types = page.split_once("## Types").unwrap().1;
    for rule in all() {
        assert!(types.contains(&format!("`{}`", rule.name)), "{}", rule.name);
    }
}

#[test]
fn a_github_token_for_a_prompt_must_have_its_checksum() {
    let mut random = Random(1);
    let rule = all().find(|rule| rule.name == "github-token").unwrap();
    let right = fill("ghp_{crc}", &mut random);
    let wrong = fill("ghp_{w36}", &mut random);
    let live = Live::new(rule);
    let find = |text: &str, level| live.find(text.as_bytes(), 0..4, level).is_some();
    assert!(find(&right, Level::Prompt) && find(&right, Level::Record));
    assert!(!find(&wrong, Level::Prompt) && find(&wrong, Level::Record));
}

/// What one rule finds, wherever its words are.
fn alone(rule: &'static Rule, text: &str) -> Vec<Range<usize>> {
    let live = Live::new(rule);
    let lower = text.to_ascii_lowercase();
    let mut found = Vec::new();
    for word in rule.words {
        for (at, _) in lower.match_indices(word) {
            let (end, _) = rule.window(text.as_bytes(), &(at..at + word.len()), 0);
            let start = at.saturating_sub(LOOK_BEHIND);
            let range =
                live.find(&text.as_bytes()[start..end], at - start..at - start + word.len(), Level::Record);
            found.extend(range.map(|range| start + range.start..start + range.end));
        }
    }
    found
}

/// Random text in the place of `{class length}`: `a` letters, `A` capitals and digits, `b` base64, `d` digits, `l` small letters
/// and digits, `w` letters and digits, `W` those with `_` and `-`, `x` hex; `{crc}` 30 characters and their checksum, `{_}` nothing.
pub(crate) fn fill(template: &str, random: &mut Random) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let (class, after) = after.split_once('}').unwrap();
        rest = after;
        let (class, length) = class.split_at(1);
        let letters = match class {
            "_" => continue,
            "c" => {
                let body = fill("{w30}", random);
                let digits = checksum::digits(checksum::crc32(body.as_bytes()));
                out.push_str(&body);
                out.push_str(std::str::from_utf8(&digits).unwrap());
                continue;
            }
            "a" => "abcdefghijklmnopqrstuvwxyz",
            "A" => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
            "b" => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
            "d" => "123456789",
            "l" => "abcdefghijklmnopqrstuvwxyz0123456789",
            "w" => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
            "W" => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-",
            "x" => "0123456789abcdef",
            other => panic!("no class {other}"),
        };
        let length = length.parse::<usize>().unwrap();
        for at in 0..length {
            // The ends are plain, so that a sign there is not cut off as punctuation.
            let end = at == 0 || at + 1 == length;
            let letters = if end { letters.trim_end_matches(['_', '-', '+', '/']) } else { letters };
            out.push(char::from(letters.as_bytes()[random.below(letters.len())]));
        }
    }
    out.push_str(rest);
    out
}

/// A small generator, so that a failure shows again.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}
