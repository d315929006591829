"""What every stack needs: accepted findings and permissions."""
