FROM busybox AS a
RUN echo hello > /out
FROM busybox
COPY --from=a /out /out
