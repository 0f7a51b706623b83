# Builds the images of a commit, for the workflows. To build by hand and push to the registry of an environment:
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
  # an attestation would make the image an index, which Lambda refuses
  attest    = ["type=provenance,disabled=true"]
}

# the platform of the workflows and of most operators' machines
target "quiz-etl" {
  args      = { FUNCTION = "quiz-etl", COMMIT = COMMIT, CREATED = CREATED, SOURCE = SOURCE }
  tags      = ["${REGISTRY}/quiz-etl:${COMMIT}"]
  platforms = ["linux/amd64"]
  attest    = ["type=provenance,disabled=true"]
}
