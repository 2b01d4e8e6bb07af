#!/bin/sh
# Two guests chat over HTTP alone, with curl and jq: sh examples/http/chat.sh [http://localhost:3000]
set -eu
api="${1:-http://localhost:3000}/api/v1"

# call TOKEN METHOD PATH [JSON]: prints the answer; a refusal (application/problem+json) is printed and ends the script.
call() {
  if [ $# -eq 4 ]; then set -- "$1" "$2" "$3" --header 'content-type: application/json' --data "$4"; fi
  token=$1 method=$2 path=$3
  shift 3
  curl --silent --show-error --fail-with-body --max-time 15 --request "$method" --header "authorization: Bearer $token" "$@" "$api$path"
}
guest() {
  curl --silent --show-error --fail-with-body --max-time 15 --header 'content-type: application/json' --data "{\"displayName\":\"$1\"}" "$api/auth/guest"
}

ann=$(guest 'Ann Example')
ben=$(guest 'Ben Example')
ann_token=$(echo "$ann" | jq --raw-output .accessToken)
ben_token=$(echo "$ben" | jq --raw-output .accessToken)
ben_id=$(echo "$ben" | jq --raw-output .user.id)

conversation=$(call "$ann_token" POST /conversations "{\"kind\":\"direct\",\"memberIds\":[\"$ben_id\"]}")
id=$(echo "$conversation" | jq --raw-output .id)
# Ben remembers the rev of what he has. Whatever happens, he asks for the changes since then.
rev=$(call "$ben_token" GET "/conversations/$id" | jq .rev)

message='{"clientId":"greeting-1","body":"Hello, Ben"}'
echo "stored as #$(call "$ann_token" POST "/conversations/$id/messages" "$message" | jq .message.seq)"
# Nobody knows whether a request arrived whose answer was lost. Sending it again with the same clientId is safe.
echo "sent again: #$(call "$ann_token" POST "/conversations/$id/messages" "$message" | jq '.message.seq, .duplicate' | paste -s -d ' ')"

changes=$(call "$ben_token" GET "/conversations/$id/changes?since=$rev")
echo "$changes" | jq --raw-output '.messages[] | "Ben reads #\(.seq): \(.body)"'
rev=$(echo "$changes" | jq .rev)
call "$ben_token" PUT "/conversations/$id/read" '{"seq":1}' > /dev/null
echo "$(call "$ben_token" GET "/conversations/$id/changes?since=$rev" | jq '.messages | length') messages since"
