# Prints a value for each parameter of a template, as a JSON list of "NAME=VALUE". The value comes from the lines NAME=VALUE
# of $GIVEN, else from the file $VALUES, else from the template's default. resolve_parameters of common.sh runs it.
#
# The script reads a part of YAML only, because a machine may have no YAML parser: a value is one text on the line of its
# name, plain or quoted. All other YAML is an error. The script uses only POSIX awk, for macOS.

function fail(text) {
  printf "%s: %s\n", ENVIRON["PROGRAM"], text > "/dev/stderr"
  exit 1
}

# the file and line of an error
function place() {
  return "in " file ":" at
}

# reads the next line of the file; returns 0 at the end
function next_line(    status) {
  status = (getline line < file)
  if (status < 0) fail("cannot read " file)
  at++
  sub(/\r$/, "", line)
  return status
}

# returns the quoted text at the start of `text`; only a comment may follow
function quoted(text, quote, name,    value, position, char, rest) {
  value = ""
  for (position = 2; position <= length(text); position++) {
    char = substr(text, position, 1)
    if (char == quote) {
      rest = substr(text, position + 1)
      if (quote == "'" && substr(rest, 1, 1) == "'") {
        position++
      } else {
        if (rest !~ /^[ \t]*$/ && rest !~ /^[ \t]+#/) fail(name " " place() " has text after the closing quote: remove the text")
        return value
      }
    } else if (char == "\\" && quote == "\"") {
      char = substr(text, ++position, 1)
      if (char != "\"" && char != "\\") fail(name " " place() " has an escape that is not supported: use single quotes")
    }
    value = value char
  }
  fail(name " " place() " has no closing quote: write the value on one line")
}

# returns one value from the text after the colon; YAML's booleans become CloudFormation's
function scalar(text, name) {
  sub(/^[ \t]+/, "", text)
  if (text ~ /^["']/) return quoted(text, substr(text, 1, 1), name)
  sub(/(^|[ \t]+)#.*$/, "", text)
  sub(/[ \t]+$/, "", text)
  if (text == "" || text ~ /^(~|null|Null|NULL)$/) fail(name " " place() " has no value: write \"\" for an empty text, or remove the line for the default")
  if (text ~ /^(\[|-([ \t]|$))/) is_no_value(name, "a list")
  if (text ~ /^\{/ || text ~ /:([ \t]|$)/) is_no_value(name, "a map")
  if (text ~ /^([]&*!|>%@`},"']|\?([ \t]|$))/) is_no_value(name, "YAML that this script does not read")
  if (text ~ /^(true|True|TRUE)$/) return "true"
  if (text ~ /^(false|False|FALSE)$/) return "false"
  return text
}

function is_no_value(name, kind) {
  fail(name " " place() " is " kind ": write one value on the line of the name")
}

# reads the names and defaults of the section Parameters: names are indented by two spaces, their fields by four
function read_template(    is_inside, name) {
  while (next_line()) {
    if (line ~ /^[^ \t#]/) {
      is_inside = (line ~ /^Parameters:[ \t]*$/)
    } else if (is_inside && line ~ /^  [^ \t#]/) {
      if (line !~ /^  [A-Za-z0-9]+:[ \t]*$/) fail("cannot read the parameter " place() ": write its name alone on a line")
      name = substr(line, 3)
      sub(/:.*/, "", name)
      names[++count] = name
      is_known[name] = 1
    } else if (is_inside && line ~ /^    Default:/) {
      defaults[name] = scalar(substr(line, length("    Default:") + 1), name)
    }
  }
  if (count == 0) fail(file " has no parameters")
}

# reads the lines NAME=VALUE of the caller; the file must not set these names
function read_given(    lines, number, total, name) {
  total = split(ENVIRON["GIVEN"], lines, "\n")
  for (number = 1; number <= total; number++) {
    name = lines[number]
    sub(/=.*/, "", name)
    if (!(name in is_known)) fail(name " is no parameter of " ENVIRON["TEMPLATE"])
    values[name] = substr(lines[number], length(name) + 2)
    is_given[name] = 1
  }
}

# reads lines NAME: VALUE; an indented line continues a list, a map or a longer text, which is an error
function read_values(    name, rest, pending, pending_at) {
  while (next_line()) {
    if (line ~ /^[ \t]*(#.*)?$/ || line ~ /^---[ \t]*$/) continue
    if (line ~ /^([ \t]|-[ \t])/ && name != "") {
      at = pending_at
      is_no_value(name, line ~ /^[ \t]*-([ \t]|$)/ ? "a list" : line ~ /:([ \t]|$)/ ? "a map" : "a text of several lines")
    }
    if (line !~ /^[A-Za-z0-9]+:([ \t]|$)/) fail("cannot read " file ":" at ": write NAME: VALUE")
    if (pending != "") no_value(pending, pending_at)
    name = line
    sub(/:.*/, "", name)
    rest = substr(line, length(name) + 2)
    if (!(name in is_known)) fail(name " " place() " is no parameter of " ENVIRON["TEMPLATE"] ": correct the name, or remove the line")
    if (name in is_given) fail(name " " place() " is set by the script itself: remove the line")
    if (name in is_set) fail(name " " place() " is there twice: remove one line")
    is_set[name] = 1
    pending = ""
    pending_at = at
    if (rest ~ /^[ \t]*(#.*)?$/) pending = name
    else values[name] = scalar(rest, name)
  }
  if (pending != "") no_value(pending, pending_at)
}

# returns the text as it stands in a JSON string; awks disagree about backslashes in gsub
function escaped(text,    result, position, char) {
  for (position = 1; position <= length(text); position++) {
    char = substr(text, position, 1)
    if (char == "\"" || char == "\\") result = result "\\"
    result = result (char == "\t" ? "\\t" : char)
  }
  return result
}

function no_value(name, number) {
  at = number
  scalar("", name)
}

BEGIN {
  file = ENVIRON["TEMPLATE"]
  read_template()
  read_given()
  file = ENVIRON["VALUES"]
  at = 0
  read_values()
  for (number = 1; number <= count; number++) {
    name = names[number]
    if (name in values) continue
    if (!(name in defaults)) fail(name " has no default: set it in " file)
    values[name] = defaults[name]
  }
  for (number = 1; number <= count; number++) {
    name = names[number]
    printf "%s\"%s=%s\"%s\n", number == 1 ? "[" : " ", name, escaped(values[name]), number == count ? "]" : ","
  }
}
