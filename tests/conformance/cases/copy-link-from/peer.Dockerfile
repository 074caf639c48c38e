FROM busybox AS a
RUN echo x > /x
FROM busybox
COPY --from=a /x /y/
