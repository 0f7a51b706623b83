use crate::error::SqsError;

/// The parts of a queue's ARN, `arn:aws:sqs:{region}:{account}:{name}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueueArn {
    pub account: String,
    pub name: String,
}

impl QueueArn {
    pub fn parse(arn: &str) -> Result<Self, SqsError> {
        let mut parts = arn.split(':');
        match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("arn"), Some(_), Some("sqs"), Some(_), Some(account), Some(name))
                if !account.is_empty() && !name.is_empty() && parts.next().is_none() =>
            {
                Ok(Self { account: account.to_owned(), name: name.to_owned() })
            }
            _ => Err(SqsError::InvalidQueueArn(arn.to_owned())),
        }
    }

    pub fn is_fifo(&self) -> bool {
        self.name.strip_suffix(".fifo").is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::QueueArn;

    #[test]
    fn arn_names_its_account_and_queue() {
        let arn = QueueArn::parse("arn:aws:sqs:ap-south-1:111122223333:reports").unwrap();
        assert_eq!((arn.account.as_str(), arn.name.as_str()), ("111122223333", "reports"));
        assert!(!arn.is_fifo());
    }

    #[test]
    fn other_text_is_an_error_that_quotes_it() {
        for wrong in
            ["", "reports", "arn:aws:sns:ap-south-1:1:topic", "arn:aws:sqs:r:1:", "arn:aws:sqs:r:1:a:b"]
        {
            let error = QueueArn::parse(wrong).unwrap_err().to_string();
            assert_eq!(error, format!("{wrong:?} is no ARN of an SQS queue"));
        }
    }
}
