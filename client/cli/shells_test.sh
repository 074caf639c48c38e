#!/bin/bash
# Completion in the real shells: each one that is installed loads its script and completes words. No
# daemon runs here.
set -u
zlayer=$(readlink -f "$1")
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
mkdir "$directory/bin" "$directory/home" "$directory/work" "$directory/work/sub dir"
ln -s "$zlayer" "$directory/bin/zlayer"
export PATH="$directory/bin:$PATH" HOME="$directory/home"
export ZLAYER_ADDRESS="unix://$directory/none.sock"
cd "$directory/work" || exit 1
printf 'ARG VERSION=1\nFROM scratch AS builder\nARG MODE\nFROM builder AS final\n' >Dockerfile
touch other.dockerfile
failed=0

# expect SHELL LINE WORDS...: completing the line offers exactly these words, in this order.
expect() {
  local shell=$1 line=$2 got want
  shift 2
  got=$("complete_in_$shell" "$line" 2>"$directory/err")
  want=$(printf '%s\n' "$@")
  if [[ $got != "$want" || -s $directory/err ]]; then
    echo "FAILED $shell: \"$line\" offers:"
    echo "$got"
    echo "but should offer:"
    echo "$want"
    cat "$directory/err"
    failed=1
  fi
}

# As bash itself would call the function: the words split at COMP_WORDBREAKS.
complete_in_bash() {
  LINE=$1 bash --norc -c '
    source <(zlayer completion bash)
    compopt() { options+=" ${!#}"; }  # works only while readline completes
    COMP_LINE=$LINE COMP_POINT=${#LINE} COMP_WORDS=() options=
    rest=$LINE
    while [[ $rest =~ ^[[:space:]]*([=:]+|[^[:space:]=:]+)(.*)$ ]]; do
      COMP_WORDS+=("${BASH_REMATCH[1]}") rest=${BASH_REMATCH[2]}
    done
    [[ -n $rest || $LINE == *" " ]] && COMP_WORDS+=("")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _zlayer
    [[ $options == *default* ]] && COMPREPLY=("<files>")
    [[ $options == *dirnames* ]] && COMPREPLY=("<directories>")
    [[ ${#COMPREPLY[@]} -gt 0 ]] && printf "%s\n" "${COMPREPLY[@]}"
    true'
}

if [[ $(bash -c 'echo "${BASH_VERSINFO[0]}"') -ge 5 ]]; then
  expect bash "zlayer bui" build builds
  expect bash "zlayer builds ca" cancel
  expect bash "zlayer build --build-a" --build-arg
  expect bash "zlayer build --build-arg " VERSION= MODE=
  expect bash "zlayer build --target " builder final
  expect bash "zlayer build --target=fi" final
  expect bash "zlayer build -f " "<files>"
  expect bash "zlayer build " "<directories>"
  expect bash "zlayer build --progress=" auto tty plain json
  expect bash "zlayer --address unix:///x/y builds w" watch
  expect bash "zlayer inspect deb" ""
  expect bash "zlayer frobnicate " ""
fi

complete_in_fish() {
  fish --no-config -c 'zlayer completion fish | source; complete -C $argv[1]' "$1" | cut -f 1
}

if command -v fish >/dev/null; then
  expect fish "zlayer bui" build builds
  expect fish "zlayer builds ca" cancel
  expect fish "zlayer build --build-a" --build-arg
  expect fish "zlayer build --build-arg " VERSION= MODE=
  expect fish "zlayer build --target " builder final
  expect fish "zlayer build --target=fi" --target=final
  expect fish "zlayer build -f o" other.dockerfile
  expect fish "zlayer build --file=o" --file=other.dockerfile
  expect fish "zlayer build s" "sub dir/"
  expect fish "zlayer build --progress=" --progress=auto --progress=tty --progress=plain \
    --progress=json
  expect fish "zlayer inspect deb" ""
else
  echo "SKIPPED: fish is not installed"
fi

# zsh completes only in its line editor: one on a pseudo-terminal gets the line and a tab, and shows
# what became of it.
complete_in_zsh() {
  LINE=$1 zsh -f -c '
    zmodload zsh/zpty
    zpty shell zsh -f -i
    zpty -w shell "PS1= PROMPT_EOL_MARK= TERM=dumb; stty cols 200; autoload -Uz compinit; compinit -D -u"
    zpty -w shell "source <(zlayer completion zsh); zle_highlight=(none); unsetopt beep list_beep"
    zpty -w shell "report() { print -r -- \"<\${LBUFFER}>\"; zle kill-buffer; zle -I }"
    zpty -w shell "zle -N report; bindkey ^X report; print rea\"\"dy"
    text=
    until [[ $text == *ready* ]]; do zpty -r shell piece || exit 1; text+=$piece; done
    zpty -w -n shell "$LINE$(print -n "\t\030")"
    text=
    until [[ $text == *"<"*">"* ]]; do zpty -r shell piece || exit 1; text+=$piece; done
    text=${text##*"<"}
    print -r -- "${text%%">"*}"
    zpty -d shell'
}

if command -v zsh >/dev/null; then
  expect zsh "zlayer bui" "zlayer build"
  expect zsh "zlayer builds ca" "zlayer builds cancel "
  expect zsh "zlayer build --build-a" "zlayer build --build-arg "
  expect zsh "zlayer build --build-arg VE" "zlayer build --build-arg VERSION="
  expect zsh "zlayer build --target=fi" "zlayer build --target=final "
  expect zsh "zlayer build --target b" "zlayer build --target builder "
  expect zsh "zlayer build -f oth" "zlayer build -f other.dockerfile "
  expect zsh "zlayer build --file=oth" "zlayer build --file=other.dockerfile "
  expect zsh "zlayer build su" "zlayer build sub\\ dir/"
  expect zsh "zlayer build --progress=j" "zlayer build --progress=json "
  expect zsh "zlayer inspect deb" "zlayer inspect deb"
else
  echo "SKIPPED: zsh is not installed"
fi
exit $failed
