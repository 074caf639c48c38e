chmod 600 file
chmod 700 dir
chmod 4755 exec
chown -R 5:6 dir
rm Dockerfile.x 2>/dev/null || true
