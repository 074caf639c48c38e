FROM busybox AS a
RUN printf 'one\ntwo\n' > /out
FROM busybox
COPY --from=a /out /out
