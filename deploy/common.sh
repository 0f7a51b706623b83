# shellcheck shell=bash
# What the scripts of this folder share. They need AWS's command, signed in to the environment's account.

export AWS_PAGER=""

# one sentence that says what is wrong and what to do
fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# of an environment's name: the name of its stack
stack_of() {
  case $1 in
    staging | production) printf 'quiz-etl-%s' "$1" ;;
    *) fail "\"$1\" is no environment: give staging or production" ;;
  esac
}

# one output of a stack; fails where the stack or the output is not there
output() {
  local value
  value=$(aws cloudformation describe-stacks --stack-name "$1" --output text \
    --query "Stacks[0].Outputs[?OutputKey=='$2'].OutputValue | [0]" 2>/dev/null) && [ "$value" != None ] || return 1
  printf '%s' "$value"
}

foundation() {
  output quiz-etl-foundation "$1" ||
    fail "the stack quiz-etl-foundation has no output $1 here: deploy deploy/foundation.yaml to this account and region first"
}

# the digest that a commit's image has in the registry; fails where it is not there
digest_of() {
  local digest
  digest=$(aws ecr describe-images --repository-name "quiz-etl/$1" --image-ids "imageTag=$2" --output text \
    --query 'imageDetails[0].imageDigest' 2>/dev/null) && [ "$digest" != None ] || return 1
  printf '%s' "$digest"
}

sign_in_to() {
  aws ecr get-login-password | docker login --username AWS --password-stdin "${1%%/*}" >/dev/null
}

# a value for each parameter of a template, as YAML for SAM: a NAME=VALUE given here, else the file's, else the default
#   resolve_parameters template.yaml parameters/staging.yaml Release=abc
resolve_parameters() {
  local template=$1 values=$2 given
  shift 2
  given=$(printf '%s\n' "$@")
  PROGRAM=${0##*/} TEMPLATE=$template VALUES=$values GIVEN=$given awk -f "$(dirname "${BASH_SOURCE[0]}")/parameters.awk"
}

# SHA-256 of the input; macOS has another command for it than Linux
sha256() {
  if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -d ' ' -f 1
}
