FROM busybox
RUN printf 'one\ntwo\n  three\n' > /out
