# shellcheck shell=bash
# Functions that the scripts of this folder share. They need the AWS CLI, signed in to the environment's account.

export AWS_PAGER=""

# prints an error with the next step, and ends the script
fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# prints the stack's name of an environment
stack_of() {
  case $1 in
    staging | production) printf 'quiz-etl-%s' "$1" ;;
    *) fail "unknown environment \"$1\": use staging or production" ;;
  esac
}

# prints one output of a stack; fails if the stack or the output does not exist
output() {
  local value
  value=$(aws cloudformation describe-stacks --stack-name "$1" --output text \
    --query "Stacks[0].Outputs[?OutputKey=='$2'].OutputValue | [0]" 2>/dev/null) && [ "$value" != None ] || return 1
  printf '%s' "$value"
}

foundation() {
  output quiz-etl-foundation "$1" ||
    fail "the stack quiz-etl-foundation has no output $1: deploy deploy/foundation.yaml to this account and region first"
}

# prints the digest of a commit's image in the registry; fails if the image is not in the registry
digest_of() {
  local digest
  digest=$(aws ecr describe-images --repository-name "quiz-etl/$1" --image-ids "imageTag=$2" --output text \
    --query 'imageDetails[0].imageDigest' 2>/dev/null) && [ "$digest" != None ] || return 1
  printf '%s' "$digest"
}

sign_in_to() {
  aws ecr get-login-password | docker login --username AWS --password-stdin "${1%%/*}" >/dev/null
}

# prints a value for each parameter of a template, as YAML for SAM: from a NAME=VALUE here, else the file, else the default
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
