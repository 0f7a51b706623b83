/// `arn:{partition}:{service}:{region}:{account}:{name}`, of a topic or a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arn {
    pub region: String,
    pub account: String,
    pub name: String,
}

impl Arn {
    /// `None` where the text is no ARN of that service.
    pub fn parse(text: &str, service: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        match parts.as_slice() {
            ["arn", _, of, region, account, name]
                if *of == service && ![region, account, name].iter().any(|it| it.is_empty()) =>
            {
                let [region, account, name] = [region, account, name].map(|it| (*it).to_owned());
                Some(Self { region, account, name })
            }
            _ => None,
        }
    }

    /// The name in an ARN, or the text itself where it is none.
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
    fn an_arn_is_one_of_its_service() {
        let arn = Arn::parse("arn:aws:sqs:ap-south-1:111122223333:reports.fifo", "sqs").unwrap();
        assert_eq!((&*arn.region, &*arn.account, arn.is_fifo()), ("ap-south-1", "111122223333", true));
        for wrong in ["", "reports", "arn:aws:sns:r:1:t", "arn:aws:sqs:r::t", "arn:aws:sqs:r:1:a:b"] {
            assert_eq!(Arn::parse(wrong, "sqs"), None, "{wrong}");
        }
        assert_eq!((Arn::name_in("arn:aws:sqs:r:1:a"), Arn::name_in("a")), ("a", "a"));
    }
}
