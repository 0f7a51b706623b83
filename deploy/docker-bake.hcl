# The images of a commit. The workflows build them so; by hand, straight into the registry of an environment:
#
#   REGISTRY=ACCOUNT.dkr.ecr.REGION.amazonaws.com/quiz-etl COMMIT=$(git rev-parse HEAD) \
#     docker buildx bake --file deploy/docker-bake.hcl --push

variable "REGISTRY" {
  default = "quiz-etl"
}
variable "COMMIT" {
  default = "unknown"
}
variable "CREATED" {
  default = ""
}
variable "SOURCE" {
  default = ""
}

group "default" {
  targets = ["functions", "quiz-etl"]
}

target "functions" {
  name      = function
  matrix    = { function = ["sync-reports", "sync-warehouse", "notify-discord", "reconcile"] }
  args      = { FUNCTION = function, COMMIT = COMMIT, CREATED = CREATED, SOURCE = SOURCE }
  tags      = ["${REGISTRY}/${function}:${COMMIT}"]
  platforms = ["linux/arm64"]
  # with an attestation it would be an index, which Lambda does not take
  attest    = ["type=provenance,disabled=true"]
}

# for where it is run: by the workflows, and on most operators' machines
target "quiz-etl" {
  args      = { FUNCTION = "quiz-etl", COMMIT = COMMIT, CREATED = CREATED, SOURCE = SOURCE }
  tags      = ["${REGISTRY}/quiz-etl:${COMMIT}"]
  platforms = ["linux/amd64"]
  attest    = ["type=provenance,disabled=true"]
}
