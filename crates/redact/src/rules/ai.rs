//! Keys of model providers and of tools around models.

use crate::rule::Check::Entropy;
use crate::rule::Rule;

pub(super) static RULES: &[Rule] = &[
    Rule::pattern("anthropic-key", &["sk-ant-"], r"sk-ant-[\w-]{20,200}"),
    Rule::pattern("openrouter-key", &["sk-or-"], r"sk-or-(?:v\d-)?[0-9A-Za-z]{32,100}"),
    Rule::pattern("langfuse-key", &["sk-lf-"], r"sk-lf-[0-9a-f]{8}-[0-9a-f-]{27}"),
    Rule::pattern(
        "openai-key",
        &["sk-proj-", "sk-svcacct-", "sk-admin-", "sk-service-"],
        r"sk-(?:proj|svcacct|admin|service)-[\w-]{20,250}",
    ),
    Rule::pattern("sk-key", &["sk-"], r"sk-(?:[a-z]{2,12}-)?[A-Za-z0-9_]{20,120}").check(Entropy(330)),
    Rule::pattern("google-key", &["aiza"], r"AIza[\w-]{35}"),
    Rule::pattern("google-key", &["aq.ab"], r"AQ\.Ab[\w-]{30,120}"),
    Rule::pattern("google-oauth", &["ya29."], r"ya29\.[\w.-]{20,300}"),
    Rule::pattern("google-oauth", &["gocspx-"], r"GOCSPX-[\w-]{20,40}"),
    Rule::pattern("google-refresh", &["1//0"], r"1//0[\w-]{30,200}"),
    Rule::pattern("groq-key", &["gsk_"], r"gsk_[A-Za-z0-9]{32,80}"),
    Rule::pattern("xai-key", &["xai-"], r"xai-[A-Za-z0-9_]{40,120}"),
    Rule::pattern("huggingface-token", &["hf_"], r"hf_[A-Za-z0-9]{30,50}"),
    Rule::pattern("huggingface-token", &["api_org_"], r"api_org_[A-Za-z0-9]{30,50}"),
    Rule::pattern("replicate-token", &["r8_"], r"r8_[A-Za-z0-9]{30,50}"),
    Rule::pattern("perplexity-key", &["pplx-"], r"pplx-[A-Za-z0-9]{32,80}"),
    Rule::pattern("together-key", &["tgp_v1_"], r"tgp_v1_[\w-]{30,80}"),
    Rule::pattern("fireworks-key", &["fw_"], r"fw_[A-Za-z0-9]{20,60}").check(Entropy(330)),
    Rule::pattern("cerebras-key", &["csk-"], r"csk-[a-z0-9]{40,80}"),
    Rule::pattern("nvidia-key", &["nvapi-"], r"nvapi-[\w-]{40,100}"),
    Rule::pattern("voyage-key", &["pa-"], r"pa-[\w-]{40,60}").check(Entropy(400)),
    Rule::pattern("jina-key", &["jina_"], r"jina_[A-Za-z0-9]{40,100}"),
    Rule::pattern("tavily-key", &["tvly-"], r"tvly-(?:dev-|prod-)?[A-Za-z0-9]{24,60}"),
    Rule::pattern("firecrawl-key", &["fc-"], r"fc-[0-9a-f]{32}\b"),
    Rule::pattern("elevenlabs-key", &["sk_"], r"sk_[0-9a-f]{40,64}\b"),
    Rule::pattern("langsmith-key", &["lsv2_"], r"lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}"),
    Rule::pattern("cursor-key", &["crsr_"], r"crsr_[0-9a-f]{40,80}"),
    Rule::pattern("pinecone-key", &["pcsk_"], r"pcsk_\w{40,90}"),
    Rule::pattern("wandb-key", &["wandb_v1_"], r"wandb_v1_\w{40,120}"),
    Rule::pattern("vercel-key", &["vck_", "vcp_", "vca_", "vci_", "vcr_"], r"vc[kpair]_[A-Za-z0-9]{24,80}"),
    Rule::pattern("anyscale-key", &["esecret_"], r"esecret_[A-Za-z0-9]{24,40}"),
];
