/// The ARN of a topic or a queue: `arn:{partition}:{service}:{region}:{account}:{name}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arn {
    pub region: String,
    pub account: String,
    pub name: String,
}

impl Arn {
    /// `None` if the text is not an ARN of this service.
    pub fn parse(text: &str, service: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        match parts.as_slice() {
            ["arn", _, arn_service, region, account, name]
                if *arn_service == service && ![region, account, name].iter().any(|part| part.is_empty()) =>
            {
                let [region, account, name] = [region, account, name].map(|part| (*part).to_owned());
                Some(Self { region, account, name })
            }
            _ => None,
        }
    }

    /// The name at the end of an ARN; the whole text if it is not an ARN.
    pub fn name_in(text: &str) -> &str {
        text.rsplit(':').next().unwrap_or(text)
    }

    pub fn is_fifo(&self) -> bool {
        self.name.strip_suffix(".fifo").is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::Arn;

    #[test]
    fn arn_parses_for_its_service_only() {
        let arn = Arn::parse("arn:aws:sqs:ap-south-1:111122223333:reports.fifo", "sqs").unwrap();
        assert_eq!((&*arn.region, &*arn.account, arn.is_fifo()), ("ap-south-1", "111122223333", true));
        for wrong in ["", "reports", "arn:aws:sns:r:1:t", "arn:aws:sqs:r::t", "arn:aws:sqs:r:1:a:b"] {
            assert_eq!(Arn::parse(wrong, "sqs"), None, "{wrong}");
        }
        assert_eq!((Arn::name_in("arn:aws:sqs:r:1:a"), Arn::name_in("a")), ("a", "a"));
    }
}
