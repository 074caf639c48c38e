FROM busybox AS a
RUN echo x > /out
FROM busybox
COPY --chmod=0750 --chown=1000:2000 --from=a /out /out
