# Completion for bash: the commands, their options, and what the daemon says there is.

_perilunectl() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command= i words=
  local commands="status sessions top nodes listeners generations logs drain enable kill reload reopen shutdown check"
  local shared="--socket --url --token-file" ask=(perilunectl)
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
      --socket | --url | --token-file)
        # What the user has said of the daemon holds for questions to it, too.
        ((i + 1 < COMP_CWORD)) && ask+=("${COMP_WORDS[i]}" "${COMP_WORDS[i + 1]}")
        ((i++))
        ;;
      -*) ;;
      *)
        command=${COMP_WORDS[i]}
        break
        ;;
    esac
  done

  case $before in
    --socket | --token-file | --daemon)
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
      return
      ;;
    --sort) words="id age bytes statements busy" ;;
    --filter) words="account= address= database= listener= server= user= waits_for=" ;;
    --url | --limit | --interval | --account) return ;;
    *)
      case $command in
        "") words="$commands $shared --help --version" ;;
        status | listeners | generations | logs) words="--json" ;;
        sessions) words="--json --sort --filter --limit" ;;
        top) words="--interval" ;;
        nodes) words="--json --history" ;;
        drain | enable)
          words="--cluster"
          [[ $command == drain ]] && words+=" --close"
          [[ $word == -* ]] || words+=" $("${ask[@]}" nodes 2>/dev/null | awk 'NR > 1 { print $2 }')"
          ;;
        kill)
          words="--account"
          [[ $word == -* ]] || words+=" $("${ask[@]}" sessions 2>/dev/null | awk 'NR > 1 { print $1 }')"
          ;;
        shutdown) words="--now" ;;
        check)
          mapfile -t COMPREPLY < <(compgen -f -W "--daemon" -- "$word")
          return
          ;;
      esac
      ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
  # A field's value follows at once, and ':' is a part of a node's name.
  [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
  if [[ $word == *:* ]] && declare -F __ltrim_colon_completions >/dev/null; then
    __ltrim_colon_completions "$word"
  fi
}

complete -F _perilunectl perilunectl
