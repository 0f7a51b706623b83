# shellcheck shell=bash
# Functions that the scripts of this folder share. They need the AWS CLI, signed in to the environment's account.

export AWS_PAGER=""

# prints an error with the next step, and ends the script
fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# the environment of this run; each script calls use_environment first
environment=
stack=
foundation=

#   use_environment staging
use_environment() {
  [[ $1 =~ ^[a-z][a-z0-9]*(-[a-z0-9]+)*$ && ${#1} -le 16 ]] ||
    fail "\"$1\" is no name of an environment: use at most 16 small letters, digits and single hyphens"
  environment=$1
  stack=quiz-etl-$1
}

# prints one output of a stack; fails if the stack or the output does not exist
output() {
  local value
  value=$(aws cloudformation describe-stacks --stack-name "$1" --output text \
    --query "Stacks[0].Outputs[?OutputKey=='$2'].OutputValue | [0]" 2>/dev/null) && [ "$value" != None ] || return 1
  printf '%s' "$value"
}

# reads the outputs of the environment's foundation; a further environment of an account has a foundation of its own
read_foundation() {
  local name
  for name in "$stack-foundation" quiz-etl-foundation; do
    if ! foundation=$(aws cloudformation describe-stacks --stack-name "$name" --output text \
      --query 'Stacks[0].Outputs[].[OutputKey, OutputValue]' 2>&1); then
      # the role of deployments may read only its own foundation
      [[ $foundation == *"does not exist"* || $foundation == *AccessDenied* ]] || fail "cannot read the stack $name: $foundation"
      continue
    fi
    [ "$(foundation Environment)" != "$environment" ] || return 0
  done
  fail "this account and region have no foundation of $environment: deploy this commit's deploy/foundation.yaml first (docs/DEPLOY.md, step 4)"
}

# prints one output that read_foundation has read
foundation() {
  awk -F '\t' -v key="$1" '$1 == key { print $2 }' <<<"$foundation"
}

# prints the digest of a commit's image in the registry; fails if the image is not in the registry
#   digest_of "$registry" sync-reports COMMIT
digest_of() {
  local digest
  digest=$(aws ecr describe-images --repository-name "${1#*/}/$2" --image-ids "imageTag=$3" --output text \
    --query 'imageDetails[0].imageDigest' 2>/dev/null) && [ "$digest" != None ] || return 1
  printf '%s' "$digest"
}

sign_in_to() {
  aws ecr get-login-password | docker login --username AWS --password-stdin "${1%%/*}" >/dev/null
}

# prints a value for each parameter of a template, as a JSON list of NAME=VALUE for `aws cloudformation deploy`: the value
# comes from a NAME=VALUE here, else from the file, else from the default
#   resolve_parameters template.yaml parameters/staging.yaml Release=abc
resolve_parameters() {
  local template=$1 values=$2 given
  shift 2
  given=$(printf '%s\n' "$@")
  PROGRAM=${0##*/} TEMPLATE=$template VALUES=$values GIVEN=$given awk -f "$(dirname "${BASH_SOURCE[0]}")/parameters.awk"
}

# prints the SHA-256 of the input; macOS and Linux have different commands
sha256() {
  if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -d ' ' -f 1
}

# prints a query's answer about the stack, or nothing if the stack does not exist
described() {
  local answer
  answer=$(aws cloudformation describe-stacks --stack-name "$stack" --output text --query "$1" 2>&1) && printf '%s' "$answer" && return
  [[ $answer == *"does not exist"* ]] || fail "cannot read the stack $stack: $answer"
}

# Deploys a template to the stack by a change set, after read_foundation. A change set that removes or replaces a table is deleted, unless
# the variable allows_table_changes is set.
#   deploy_stack TEMPLATE PARAMETERS_FILE KEY=VALUE...
deploy_stack() {
  local status made change tables unread=0
  local template=$1 parameters=$2
  shift 2
  status=$(described 'Stacks[0].StackStatus')
  case $status in
    ROLLBACK_COMPLETE | ROLLBACK_FAILED | CREATE_FAILED)
      fail "the creation of $stack failed before ($status): delete the stack (aws cloudformation delete-stack --stack-name $stack), then run this again" ;;
  esac
  made=$(aws cloudformation deploy --stack-name "$stack" --template-file "$template" --parameter-overrides "file://$parameters" \
    ${1+--tags "$@"} --s3-bucket "$(foundation ArtifactsBucket)" --s3-prefix templates \
    --role-arn "$(foundation CloudFormationRoleArn)" --capabilities CAPABILITY_IAM CAPABILITY_AUTO_EXPAND \
    --no-execute-changeset --no-fail-on-empty-changeset)
  change=$(grep -o 'arn:[^ ]*:changeSet/[^ ]*' <<<"$made") || {
    [[ $made == *"No changes to deploy"* ]] || fail "the AWS CLI names no change set: $made"
    printf 'No changes to deploy: %s is up to date\n' "$stack"
    return
  }

  tables=$(aws cloudformation describe-change-set --change-set-name "$change" --output text --query "Changes[].ResourceChange |
    [?ResourceType=='AWS::DynamoDB::Table' && (Action=='Remove' || Replacement=='True' || Replacement=='Conditional')].LogicalResourceId")
  if [ -n "$tables" ] && [ -z "${allows_table_changes:-}" ]; then
    aws cloudformation delete-change-set --change-set-name "$change"
    fail "nothing was deployed, because the change would remove or replace ${tables//$'\t'/, } (docs/DEPLOY.md, Table names)"
  fi

  printf 'deploying %s\n' "$stack"
  aws cloudformation execute-change-set --change-set-name "$change"
  status=REVIEW_IN_PROGRESS
  while [[ $status == *_IN_PROGRESS ]]; do
    sleep 2
    # CloudFormation goes on while the network of this machine fails
    if status=$(described 'Stacks[0].StackStatus'); then
      unread=0
    else
      unread=$((unread + 1))
      [ "$unread" -lt 30 ] || fail "cannot see how the deployment of $stack ends: look at the stack's events"
      status=UNREAD_IN_PROGRESS
    fi
  done
  if [ "$status" != CREATE_COMPLETE ] && [ "$status" != UPDATE_COMPLETE ]; then
    aws cloudformation describe-stack-events --stack-name "$stack" --output text --max-items 100 --query \
      "StackEvents[?contains(ResourceStatus, 'FAILED')].[LogicalResourceId, ResourceStatusReason]" >&2
    fail "$stack was not deployed ($status); the lines above are the causes, the newest first"
  fi
  printf 'deployed %s\n' "$stack"
}
