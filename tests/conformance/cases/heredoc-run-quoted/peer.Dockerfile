FROM busybox
RUN printf 'one $HOME\n' > /out
