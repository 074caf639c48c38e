FROM busybox
RUN printf 'one %s\n  two\n' "$HOME" > /out
