FROM busybox AS a
RUN printf 'hello\n  world\n' > /out
FROM busybox
COPY --from=a /out /out
