#include "client/cli/completion_scripts.h"

namespace zlayer {
namespace {

// Bash splits words at COMP_WORDBREAKS ("=" and ":" among them) and replaces the last piece only.
constexpr std::string_view kBash =
    R"sh(# Completion of zlayer for bash. To use it: source <(zlayer completion bash)
_zlayer() {
  local line=${COMP_LINE:0:COMP_POINT} words=() lines=() spaces piece i
  # Pieces without a space between them are one word.
  for ((i = 0; i <= COMP_CWORD; i++)); do
    spaces=${line%%[![:space:]]*}
    line=${line#"$spaces"}
    piece=${COMP_WORDS[i]}
    ((i == COMP_CWORD)) && piece=$line
    if ((i == 0)) || [[ -n $spaces ]]; then words+=(""); fi
    words[-1]+=$piece
    line=${line#"$piece"}
  done
  mapfile -t lines < <(zlayer __complete -- "${words[@]:1}" 2>/dev/null)
  COMPREPLY=()
  case ${lines[0]-} in
    files) compopt -o default ;;
    directories) compopt -o dirnames ;;
    words)
      local word=${words[-1]} start=
      [[ $word == *[=:]* ]] && start=${word%"${word##*[=:]}"}
      for piece in "${lines[@]:1}"; do
        piece=${piece%%$'\t'*}
        COMPREPLY+=("${piece#"$start"}")
      done
      compopt -o nosort
      [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace
      ;;
  esac
}
complete -F _zlayer zlayer
)sh";

constexpr std::string_view kZsh = R"sh(#compdef zlayer
# Completion of zlayer for zsh. To use it: source <(zlayer completion zsh), or save it as _zlayer in
# a directory of $fpath.
_zlayer() {
  local -a lines names shown
  local line tab=$'\t'
  lines=("${(@f)$(zlayer __complete -- "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
  case $lines[1] in
    files) compset -P '*='; _files ;;
    directories) compset -P '*='; _files -/ ;;
    words)
      for line in "${(@)lines[2,-1]}"; do
        names+=("${line%%$tab*}")
        if [[ $line == *$tab* ]]; then
          shown+=("${line%%$tab*}  -- ${line#*$tab}")
        else
          shown+=("$line")
        fi
      done
      if [[ $names[1] == *= ]]; then
        compadd -V zlayer -S '' -l -d shown -- "${(@)names}"
      elif (( $#names )); then
        compadd -V zlayer -l -d shown -- "${(@)names}"
      fi
      ;;
  esac
}
if [[ $funcstack[1] == _zlayer ]]; then
  _zlayer "$@"
else
  compdef _zlayer zlayer
fi
)sh";

constexpr std::string_view kFish =
    R"sh(# Completion of zlayer for fish. To use it: zlayer completion fish | source
function __zlayer_complete
  set -l words (commandline -opc)
  set -e words[1]
  set -l word (commandline -ct)
  set -l lines (zlayer __complete -- $words $word 2>/dev/null)
  set -l kind $lines[1]
  set -e lines[1]
  # What stands before a file's name in the same word, or one empty text: --file=
  set -l before (string match -r '^.*=|^' -- $word)
  set -l path (string replace -r '^.*=' '' -- $word)
  switch "$kind"
    case files
      printf '%s\n' $before(__fish_complete_path $path)
    case directories
      printf '%s\n' $before(__fish_complete_directories $path '')
    case words
      printf '%s\n' $lines
  end
end
complete -c zlayer -f -k -a '(__zlayer_complete)'
)sh";

}  // namespace

std::string_view CompletionScript(std::string_view shell) {
  return shell == "bash" ? kBash : shell == "zsh" ? kZsh : kFish;
}

}  // namespace zlayer
