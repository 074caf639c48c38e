FROM busybox
COPY --chown=1:2 dir/b/c /x/dir/b/c
RUN chmod 700 /x/dir && chown 1:2 /x/dir /x/dir/b
