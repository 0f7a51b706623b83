use super::body::Sent;
use super::channel::{Author, Channel};
use super::problem::Problem;
use super::rate::Rate;
use super::reply::Reply;
use super::routes::{Operation, ReadRequest, Target, WEBHOOK_TOKEN};
use super::schema::Schemas;
use super::{DiscordRules, Fault, SeenRequest, limits};

pub struct State {
    pub rules: DiscordRules,
    pub requests: Vec<SeenRequest>,
    pub channel: Channel,
    pub webhook_token: String,
    rate: Rate,
}

impl State {
    pub fn new(rules: DiscordRules) -> Self {
        let webhook_token = WEBHOOK_TOKEN.to_owned();
        Self {
            rules,
            requests: Vec::new(),
            channel: Channel::default(),
            webhook_token,
            rate: Rate::default(),
        }
    }

    /// Answers a request, and adds its problems; `None` closes the connection.
    pub fn handle(
        &mut self,
        schemas: &Schemas,
        request: ReadRequest,
        fault: Option<Fault>,
        problems: &mut Vec<String>,
    ) -> Option<Reply> {
        let ReadRequest { head, sent, arrived } = request;
        let Some(target) = Target::of(&head) else {
            problems.push("this stub has no such operation".to_owned());
            return Some(Reply::status(404));
        };
        problems.extend(target.problems(&head));
        if self.rate.ignored(&target.bucket(), arrived) {
            problems.push("429 ignored: the request came before the end of the wait".to_owned());
        }
        match fault {
            Some(Fault::Cut) => return None,
            Some(Fault::Status(status)) => return Some(Reply::status(status)),
            Some(Fault::Html(status)) => return Some(Reply::html(status)),
            Some(Fault::CutAfterAccepting) | None => {}
        }
        let headers = match self.rate.take(&target.bucket(), &mut self.rules) {
            Ok(headers) => headers,
            Err(limited) => return Some(limited),
        };
        let token = self.webhook_token.as_str();
        let answer = target.refuse(&head.headers, token).or_else(|| target.read(token));
        let reply = answer.unwrap_or_else(|| self.post(schemas, &target, sent, problems));
        (fault != Some(Fault::CutAfterAccepting)).then(|| reply.with(headers))
    }

    fn post(
        &mut self,
        schemas: &Schemas,
        target: &Target<'_>,
        mut sent: Sent,
        problems: &mut Vec<String>,
    ) -> Reply {
        let author = target.author();
        let edited = match target.message {
            Some(id) => match self.channel.find(id, author) {
                Some(post) => Some(post.clone()),
                None => return self.unknown_message(id, author),
            },
            None => None,
        };
        let mut found = std::mem::take(&mut sent.problems);
        found.extend(schemas.check(target.operation, &sent.payload));
        found.extend(limits::check_mentions(&sent.payload));
        let (post, misfits) = self.channel.draft(edited, author, sent);
        found.extend(misfits);
        for problem in limits::check(&post.message.payload, &post.message.attachments) {
            // skip problems that the schema check found
            if problem.path.is_empty() || !found.iter().any(|known| known.path == problem.path) {
                found.push(problem);
            }
        }
        if !found.is_empty() {
            problems.extend(found.iter().map(Problem::to_string));
            return Reply::invalid(&found);
        }
        let posted = post.to_json();
        self.channel.put(post);
        if target.operation == Operation::ExecuteWebhook && !target.wait {
            return Reply::empty();
        }
        Reply::json(200, &posted)
    }

    fn unknown_message(&self, id: &str, author: Author) -> Reply {
        if author == Author::Bot && self.channel.find(id, Author::Webhook).is_some() {
            return Reply::error(403, 50005, "Cannot edit a message authored by another user");
        }
        Reply::error(404, 10008, "Unknown Message")
    }
}
